#pragma once
// A repository on the host, read only: what is in it, and packs of it. Nothing is ever written into it, no hook, filter
// or test of it is run, and nothing is fetched for it (a partial clone stays partial).

#include <optional>

#include "daemon/git/program.hpp"

namespace swarm::git {

/// A name of a commit or tag.
struct Ref {
  std::string name;  ///< "refs/heads/main"
  std::string id;
  auto operator<=>(const Ref&) const = default;
};

/// What a repository is like.
struct SourceInfo {
  std::string git_dir;                  ///< where git keeps what belongs to this worktree
  std::string common_dir;               ///< where the repository itself is; the same but for linked worktrees
  std::string work_tree;                ///< empty for a bare one
  std::string head;                     ///< commit; empty in a repository without any
  std::string head_branch;              ///< "main"; empty when detached
  std::vector<Ref> refs;                ///< branches and tags
  std::vector<std::string> shallow;     ///< commits whose parents are not there
  std::vector<std::string> submodules;  ///< paths that are links to other repositories in `head`; they travel as links
  bool partial = false;                 ///< objects may be missing, to be fetched when needed; we do not
  std::size_t dirty_paths = 0;          ///< changed or untracked, not ignored
};

/// Whether what is not committed travels too.
enum class Dirty { leave, include };

class Source {
 public:
  /// Looks at the repository at `path` (its root, any directory in it, a bare one, or a worktree). `not_found` when
  /// there is no repository, `failed_precondition` for a SHA-256 one, `permission_denied` where it belongs to another
  /// user. `scratch` is a directory of ours for what a snapshot of uncommitted work needs; it need not exist.
  static async::Task<Result<std::unique_ptr<Source>>> open(const Program& program, std::string path,
                                                           std::string scratch);
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source();

  [[nodiscard]] const SourceInfo& info() const { return info_; }

  /// The commit that work shall begin at: HEAD, or with `include` a commit on top of it with what is not committed
  /// (untracked files too, ignored ones not). That commit's objects stay in `scratch` and travel with `pack`. In a
  /// repository without commits it is a first, empty commit. The same state gives the same commit.
  async::Task<Result<std::string>> start_commit(Dirty dirty);

  /// A pack with what is reachable from `want` and not from `have`; ids that the repository does not know are left out
  /// of `have`. Thin: it may build on objects of `have`. Nothing when there is nothing to send.
  async::Task<Result<std::unique_ptr<wire::ByteSource>>> pack(std::vector<std::string> want,
                                                              std::vector<std::string> have) const;

 private:
  Source(const Program& program, std::string scratch) : program_(program), scratch_(std::move(scratch)) {}
  [[nodiscard]] GitCall call(std::vector<std::string> arguments) const;
  async::Task<Result<void>> look(std::string path);
  async::Task<Result<GitCall>> in_work_tree(std::vector<std::string> arguments) const;

  const Program& program_;
  std::string scratch_;
  SourceInfo info_;
};

}  // namespace swarm::git
