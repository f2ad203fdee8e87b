#pragma once
// What a swarm made, safe on the host: a bare repository of ours for each swarm. It holds everything it needs, so that
// neither the user's `git gc` nor the end of a sandbox loses a commit.
//
//   user's repository --Source--> Keep --pack--> sandbox
//   user's repository <-publish-- Keep <-pack--- sandbox
//
// A pack that comes in is size-capped, indexed and checked in a quarantine, then joins the repository; names move last,
// all at once, on disk before it is acknowledged. A name that moves to a commit that does not contain the one before
// leaves that one under `refs/swarm/kept/<id>`: nothing becomes unreachable until it is removed.
//
// Opening one clears what a crash left in it, which is only right while nobody else has it: `Keeps` (keeps.hpp) is the
// one that opens and removes them, and everybody who wants the same one shares it.

#include <optional>

#include "daemon/git/source.hpp"
#include "protocol/async/event.hpp"

namespace swarm::git {

/// How closely a pack is looked at.
enum class Trust {
  user,     ///< the user's own repository: hashes and completeness; old repositories have many small sins
  sandbox,  ///< anything may come: also every object's form, names of paths, URLs of submodules
};

struct KeepLimits {
  std::uint64_t pack_bytes = std::uint64_t{8} << 30U;  ///< of one pack that comes in
};

/// What goes in.
struct Delivery {
  std::unique_ptr<wire::ByteSource> pack;  ///< null or empty: there is nothing new but names
  std::vector<Ref> refs;
  std::vector<std::string> shallow;
  Trust trust = Trust::sandbox;
};

/// Where a branch goes.
struct Publication {
  std::string repository;  ///< the user's
  std::string commit;
  std::string branch;  ///< "swarm/<name>": `refs/heads/` of it is written, nothing else
  /// Replace a branch that holds other commits; else that is `failed_precondition`.
  enum class Existing { refuse, replace } existing = Existing::refuse;
  /// Only say whether it could be done.
  enum class Depth { look, all } depth = Depth::all;
  /// Where the branch stands, empty where there is none, as a look has found it: `failed_precondition` where it stands
  /// elsewhere now. Without it, wherever it stands.
  std::optional<std::string> before = std::nullopt;
};

/// What was published.
struct Published {
  std::string branch;
  std::string commit;
  std::string before;  ///< where the branch was; empty when it is new
};

class Keep {
 public:
  Keep(const Keep&) = delete;
  Keep& operator=(const Keep&) = delete;

  [[nodiscard]] const std::string& directory() const { return directory_; }

  /// Takes objects and names. `failed_precondition` when the pack is damaged, not allowed, or not complete;
  /// `resource_exhausted` when it is larger than the limit; nothing is changed then. Deliveries take turns.
  /// `not_found` when it was removed meanwhile.
  async::Task<Result<void>> receive(Delivery delivery);

  /// Names that begin with `prefix`.
  async::Task<Result<std::vector<Ref>>> refs(std::string prefix = "refs/") const;
  /// The commit of a name; `not_found`.
  async::Task<Result<std::string>> resolve(std::string name) const;
  [[nodiscard]] Result<std::vector<std::string>> shallow() const;

  /// As in `Source`: what a sandbox that has `have` needs for `want`.
  async::Task<Result<std::unique_ptr<wire::ByteSource>>> pack(std::vector<std::string> want,
                                                              std::vector<std::string> have) const;

  /// Paths that differ between two commits, as they are, sorted.
  async::Task<Result<std::vector<std::string>>> changed_paths(std::string from, std::string to) const;

  /// A unified diff as it comes, without colours and external programs.
  /// Of `below` only what is in that directory, with paths as seen from there.
  Result<std::unique_ptr<wire::ByteSource>> diff(std::string from, std::string to, std::string below = "") const;

  /// Copies a commit into the user's repository and sets the branch. Idempotent. `failed_precondition` when the branch
  /// is checked out there or holds other commits, `permission_denied` where the repository is another user's.
  async::Task<Result<Published>> publish(Publication publication) const;

  /// Puts a branch back to where it was. Idempotent: one that does not stand where `publish` sets it was not set, was
  /// put back already or is somebody else's now, and a repository that is not there any more has none; nothing is done
  /// then.
  async::Task<Result<void>> withdraw(std::string repository, Published published) const;

  /// Checks everything: `failed_precondition` with what git says.
  async::Task<Result<void>> check() const;

 private:
  friend class Keeps;
  static async::Task<Result<std::unique_ptr<Keep>>> open(const Program& program, std::string directory,
                                                         KeepLimits limits);
  Keep(const Program& program, std::string directory, KeepLimits limits)
      : program_(program), directory_(std::move(directory)), limits_(limits), turn_(program.loop()) {}
  [[nodiscard]] GitCall call(std::vector<std::string> arguments) const;

  const Program& program_;
  std::string directory_;
  KeepLimits limits_;
  async::Turn turn_;
  bool removed_ = false;
};

}  // namespace swarm::git
