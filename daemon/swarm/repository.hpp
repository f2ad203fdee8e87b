#pragma once
// The way of a swarm's commits: from the user's repository into a bare one of ours, from there into the sandbox, and
// back. What was merged is fetched after every merge, so that a sandbox that vanishes costs nothing that was merged.

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/git/join.hpp"
#include "daemon/git/keeps.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/api/swarm.hpp"
#include "protocol/wire/connection.hpp"

namespace swarm::swarms {

/// What a repository is, before anything is done with it.
struct Looked {
  std::string root;          ///< where it is
  std::string name;          ///< a word for it: `/workspace/<name>`
  std::string commit;        ///< that work begins at
  std::string branch;        ///< the branch that this is of; empty: none
  std::string git_dir;       ///< where its configuration is
  std::string test_command;  ///< as its files tell; empty: they do not
  std::vector<std::string> remarks;
};

class Repository {
 public:
  /// `keeps` outlives it; `directory` is the bare repository, `directory`.scratch what a look needs.
  Repository(git::Keeps& keeps, std::string directory)
      : keeps_(keeps), program_(keeps.program()), directory_(std::move(directory)), turn_(program_.loop()) {}
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  /// Looks at the user's repository; changes nothing. `not_found` where there is none, or no such base.
  static async::Task<Result<Looked>> look(const git::Program& program, std::string path, std::string base,
                                          std::string scratch);

  /// Takes what `commit` of the user's repository needs. Again: takes nothing twice.
  async::Task<Result<void>> take(std::string path, std::string commit);

  /// The same of one of several, under its name.
  async::Task<Result<void>> take_member(std::string path, git::Member member);

  /// The commit that has all members as directories; see git::join_members.
  async::Task<Result<std::string>> join(std::vector<git::Member> members, std::string message, std::int64_t seconds);

  /// The part of a history that is about one member; see git::split_member.
  async::Task<Result<std::string>> split_off(git::Member member, std::string joined, std::string head);

  /// Brings it into a sandbox as `/workspace/<name>`, with the branches that the swarm had in another one before.
  async::Task<Result<void>> bring_in(std::shared_ptr<wire::Connection> agentd, std::string name, std::string commit,
                                     std::string swarm_name);

  /// Fetches every branch of the swarm from its sandbox, or those of `believed` alone; gives the integration branch's
  /// commit, empty where there is none.
  async::Task<Result<std::string>> fetch(std::shared_ptr<wire::Connection> agentd, std::string name,
                                         std::string swarm_name,
                                         std::optional<std::set<std::string>> believed = std::nullopt);

  /// Sends commits, and names for some of them, to a sandbox that has the repository, which began at `base`.
  async::Task<Result<void>> send(std::shared_ptr<wire::Connection> agentd, std::string name, std::string base,
                                 std::vector<std::string> commits, std::vector<git::Ref> refs);

  /// The branches of the swarm, as they were fetched last.
  async::Task<Result<std::vector<git::Ref>>> branches(std::string swarm_name);

  /// Whether a commit is here.
  async::Task<bool> has(std::string commit);

  /// Sets `branch` of the user's repository.
  async::Task<Result<git::Published>> publish(std::string path, std::string branch, std::string commit, bool replace);

  /// The same as part of a publication to several: also only a look, and from where it stood.
  async::Task<Result<git::Published>> publish_one(git::Publication publication);

  /// Puts a branch back; see git::Keep::withdraw.
  async::Task<Result<void>> withdraw(std::string path, git::Published published);

  /// The commits of `to` that `from` does not have, newest first.
  async::Task<Result<std::vector<api::SwarmCommit>>> log(std::string from, std::string to, std::uint32_t limit);

  /// The ids of those of them that are about a directory.
  async::Task<Result<std::set<std::string>>> commits_about(std::string from, std::string to, std::string directory);

  /// The difference as text, at most `max_bytes`; with `stat` a line a file. Of `below`, where it is not empty, only
  /// what is in that directory, with paths as seen from there.
  async::Task<Result<api::SwarmDiffReply>> diff(std::string from, std::string to, bool stat, std::uint64_t max_bytes,
                                                std::string below = "");

  /// The paths that differ, sorted.
  async::Task<Result<std::vector<std::string>>> changed_paths(std::string from, std::string to);

  /// The commit of an agent's branch, as it was fetched last; `not_found`.
  async::Task<Result<std::string>> branch_of(std::string swarm_name, std::string agent);

  [[nodiscard]] const std::string& directory() const { return directory_; }

  /// Removes the bare repository: what it alone held is gone.
  async::Task<Result<void>> remove();

 private:
  async::Task<Result<std::shared_ptr<git::Keep>>> keep(git::Keeps::Missing missing = git::Keeps::Missing::refuse);
  static async::Task<Result<void>> import_pack(std::shared_ptr<wire::Connection> agentd, api::GitImportRequest request,
                                               std::unique_ptr<wire::ByteSource> pack);
  async::Task<Result<void>> take_as(std::string ref, std::string path, std::string commit);

  git::Keeps& keeps_;
  const git::Program& program_;
  std::string directory_;
  async::Turn turn_;
  std::shared_ptr<git::Keep> keep_;  ///< shared with who else works on this swarm, and with calls that are under way
};

}  // namespace swarm::swarms
