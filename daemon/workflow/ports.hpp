#pragma once
// How the engine acts on the world: agents, git, tests, delivery. The engine decides and records, the ports act.
//
//   engine                         store                      ports
//   decide ------------> step "merge:tsk_1:2" intended
//   act    ------------------------------------------------>  merge(key, ...)
//   record <----------- step done, with its outcome  <-------  outcome
//
// A daemon that is killed between the two writes does the step again, with the same key: whoever implements a port must
// find out by it what was done already (a merge by its trailers on the integration branch, a message by its idempotency
// key, a published ref by its value) and give that outcome instead of doing it twice. Dropping a task abandons the
// call, not what it did.
//
// Errors: a retryable one is tried again, with growing pauses and for as long as the step's deadline allows; any other
// fails the step. What a repository, a test or an agent did wrong is no error but an outcome.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/async/task.hpp"
#include "protocol/core/error.hpp"

namespace swarm::workflow {

/// Names one action for ever: the same when it is tried again, another one for everything else.
struct StepKey {
  std::string swarm;
  std::string run;
  std::string step;  ///< "merge:tsk_...:2"
};

/// An agent that shall be there, with a role and its first brief. One that runs already is left alone.
struct StartAgent {
  std::string agent;
  std::string role;
  std::string brief;  ///< handed to the program as its start argument or first context, not typed
};

/// Something to tell an agent: a message in its queue, never keys. Once, however often it is tried.
struct Prompt {
  std::string agent;
  std::string about;  ///< the id of the task, review or proposal; empty: the run
  std::string text;
};

/// Which commit to look at.
struct Inspect {
  std::string agent;
  std::optional<std::string> commit;  ///< as an agent named it (id, prefix, ref); absent: the head of its branch
};

/// A commit against what it is based on.
struct Change {
  std::string commit;  ///< the full id; empty: there is no such commit in the agent's repository
  std::string base;    ///< its merge base with the integration branch
  /// Equal for two commits that make the same change on the same lines (`git patch-id --stable`): an approval holds
  /// while it stays. Empty where nothing is changed.
  std::string patch;
  std::vector<std::string> files;  ///< touched, relative to the repository; raw bytes
  bool contained = false;          ///< the integration branch holds the commit already
  std::string for_task;            ///< as the commit's trailer says; empty: it says nothing
  bool tree_dirty = false;         ///< the agent's worktree holds changes that the commit does not
};

/// What to put onto the integration branch.
struct Merge {
  std::string task;
  std::uint32_t attempt = 0;
  std::string agent;    ///< the author
  std::string commit;   ///< full id
  std::string message;  ///< subject and body
  /// "Swarm-Task", "Swarm-Run", "Swarm-Attempt", "Reviewed-by", in order.
  std::vector<std::pair<std::string, std::string>> trailers;
  std::string test_command;  ///< run by a shell on the merged tree before the branch moves; empty: none
  std::chrono::milliseconds timeout{0};
};

/// What two sides changed differently.
struct Conflict {
  std::string path;
  std::string hunks;  ///< with conflict markers, capped
};

/// How a test command ended.
struct TestRun {
  std::string id;  ///< names the run in the log, as evidence
  std::string commit;
  int exit_status = -1;  ///< the real one; 128 + signal where it was killed
  bool timed_out = false;
  std::string output;  ///< the end of both streams, capped
  std::chrono::milliseconds took{0};
};

struct Merged {
  enum class Outcome : std::uint8_t {
    merged,    ///< the branch holds it, at `commit`; `test` passed where there was one
    conflict,  ///< `conflicts` says where; nothing moved
    red,       ///< `test` failed on the merged tree; nothing moved
    empty,     ///< the merge changes nothing; nothing moved
  };
  Outcome outcome = Outcome::empty;
  std::string commit;
  bool contained = false;  ///< `empty` since the branch holds the commit already: it came in with another
  std::vector<Conflict> conflicts;
  std::optional<TestRun> test;
};

/// A command on the tree of a commit, in the integration worktree.
struct Test {
  std::string commit;  ///< full id; empty: the head of the integration branch
  std::string command;
  std::chrono::milliseconds timeout{0};
};

/// The result of a run, to be brought back to the user's repository.
struct Deliver {
  std::string commit;  ///< head of the integration branch
  std::string title;
  std::string body;
};

struct Delivered {
  std::string where;  ///< "refs/heads/swarm/login", a pull request's URL
  std::string commit;
};

/// For people who watch: a question, a run that ended or is stuck. Also an event in the log.
struct Notice {
  std::string swarm;
  std::string run;
  std::string text;
};

/// Everything on the loop's thread. The engine calls several at once (for several agents or runs), but one `merge`,
/// `test` or `deliver` of a swarm at a time.
class Ports {
 public:
  virtual ~Ports() = default;

  virtual async::Task<Result<void>> start_agent(StepKey key, StartAgent what) = 0;
  /// One that is not there is no error.
  virtual async::Task<Result<void>> stop_agent(StepKey key, std::string agent) = 0;
  virtual async::Task<Result<void>> prompt(StepKey key, Prompt what) = 0;
  virtual async::Task<Result<Change>> inspect(StepKey key, Inspect what) = 0;
  virtual async::Task<Result<Merged>> merge(StepKey key, Merge what) = 0;
  virtual async::Task<Result<TestRun>> test(StepKey key, Test what) = 0;
  virtual async::Task<Result<Delivered>> deliver(StepKey key, Deliver what) = 0;
  /// May be repeated after a crash.
  virtual void notify(Notice notice) = 0;
};

}  // namespace swarm::workflow
