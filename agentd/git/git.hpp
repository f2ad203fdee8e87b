#pragma once
// Git in a sandbox: what the daemon and the agents ask for, as tasks. Everything that blocks runs on the thread pool;
// what changes one worktree takes turns there, and so do imports and merges of one repository. Agents that commit at
// the same time do not wait for each other.

#include <functional>
#include <map>
#include <memory>

#include "agentd/git/merge.hpp"
#include "agentd/git/snapshot.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/async/event.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::agentd::git {

/// Who calls: the daemon may act for every agent, a program of the sandbox for its own.
struct Caller {
  enum class Kind { daemon, agent } kind = Kind::daemon;
  std::string agent;  ///< as whoever knows the team says; empty where nobody does
  uid_t uid = 0;      ///< then the owner of the worktree counts
};

/// A path that another agent has locked.
struct LockedPath {
  std::string path;
  std::string holder;
  std::string reason;
};

/// Whose locks stand in the way of an agent's change.
struct LockQuestion {
  std::string swarm;
  std::string agent;
  std::string repo;
  std::vector<std::string> paths;
};

/// A path that is kept for an agent until its change there is merged or dropped.
struct Reserved {
  std::string id;  ///< of the lock
  std::string agent;
  std::string path;
  bool operator==(const Reserved&) const = default;
};

/// A branch of an agent has a new commit.
struct Moved {
  std::string repo;
  std::string agent;
  std::string branch;
  std::string commit;
};

/// A test of a merged tree.
struct TestRequest {
  std::string command;
  std::string directory;
  std::string user;  ///< uid as a number
  std::chrono::milliseconds timeout{0};
  std::uint64_t output_limit_bytes = 0;
};
struct TestResult {
  std::optional<std::uint32_t> exit_status;
  std::optional<std::uint32_t> signal;
  bool timed_out = false;
  std::chrono::milliseconds duration{0};
  std::string output;  ///< its last bytes
  std::uint64_t dropped_bytes = 0;
};

struct GitSetup {
  Layout layout;
  SnapshotLimits limits;
  /// Rights of a user of the sandbox, by name or uid. Called on worker threads.
  std::function<Result<Credentials>(const std::string& user)> user;
  /// As whom an agent works, where that is known: a uid as a number. Called on the loop.
  std::function<std::optional<std::string>(const std::string& agent)> account;
  /// Runs a test; an error means that it could not be run. Called on the loop.
  std::function<async::Task<Result<TestResult>>(TestRequest)> test;
  /// Empty where nobody keeps locks. Called on the loop.
  std::function<async::Task<Result<std::vector<LockedPath>>>(LockQuestion)> locked;
  /// What is reserved in a repository, for all or one agent; and what ends that. Empty where nobody keeps locks. Called
  /// on the loop.
  std::function<async::Task<Result<std::vector<Reserved>>>(std::string repo, std::optional<std::string> agent)>
      reserved{};
  std::function<async::Task<>(std::vector<Reserved>)> give_back{};
  /// Told of every commit on an agent's branch, when it is there. Called on the loop; empty where nobody wants to know.
  std::function<void(const Moved&)> moved{};
};

class Git {
 public:
  Git(async::Loop& loop, GitSetup setup) : loop_(loop), setup_(std::move(setup)) {}
  Git(const Git&) = delete;
  Git& operator=(const Git&) = delete;

  /// Opens a stream of the call once it is known that the call is not refused.
  using OpenSource = std::function<Result<std::unique_ptr<wire::ByteSource>>()>;
  using OpenSink = std::function<Result<std::unique_ptr<wire::ByteSink>>()>;

  async::Task<Result<api::GitImportReply>> import(api::GitImportRequest request, OpenSource open);
  async::Task<Result<api::GitRefsReply>> refs(api::GitRefsRequest request);
  async::Task<Result<api::GitWorktreeReply>> worktree(api::GitWorktreeRequest request);
  async::Task<Result<api::Empty>> remove_worktree(api::GitRemoveWorktreeRequest request);
  async::Task<Result<api::GitMergeReply>> merge(api::GitMergeRequest request);
  /// Completes when the pack is made; it is sent in `sending`.
  async::Task<Result<api::GitExportReply>> export_pack(api::GitExportRequest request, OpenSink open,
                                                       async::TaskSet& sending);

  async::Task<Result<api::GitDiffReply>> diff(Caller caller, api::GitDiffRequest request);
  async::Task<Result<api::GitLogReply>> log(Caller caller, api::GitLogRequest request);
  async::Task<Result<api::GitCommitReply>> commit(Caller caller, api::GitCommitRequest request);
  async::Task<Result<api::GitStatusReply>> status(Caller caller, api::GitStatusRequest request);
  async::Task<Result<api::GitSyncReply>> sync(Caller caller, api::GitSyncRequest request);
  async::Task<Result<api::GitRebaseReply>> rebase(Caller caller, api::GitRebaseRequest request);

 private:
  /// The worktree that a caller means. `repo` may be open where there is only one.
  async::Task<Result<Worktree>> find(Caller caller, std::optional<std::string> repo, std::optional<std::string> agent);
  /// The repository that a caller means without a worktree.
  async::Task<Result<std::string>> find_repository(std::optional<std::string> repo);
  async::Task<Result<Worktree>> integrator(std::string repo, std::string swarm);
  /// `failed_precondition` names the locks of others on what an agent wants to commit.
  async::Task<Result<void>> check_locks(Record record, std::vector<std::string> paths);
  async::Turn& turn(const std::string& of);
  void tell_moved(const Record& record, const std::string& commit);
  /// Ends what was reserved for changes that are now merged, or that nobody will hand in.
  async::Task<> merged(std::string repo, std::string candidate);
  async::Task<> dropped(std::string repo, std::string agent);

  async::Loop& loop_;
  GitSetup setup_;
  std::map<std::string, std::unique_ptr<async::Turn>, std::less<>> turns_;
};

}  // namespace swarm::agentd::git
