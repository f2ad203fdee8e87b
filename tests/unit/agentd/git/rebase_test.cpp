// An agent's commits on top of what was integrated meanwhile.

#include "tests/unit/agentd/git/git_rig.hpp"

namespace swarm::agentd::git {
namespace {

using tests::SandboxGit;
using Outcome = api::GitRebaseOutcome;

struct TwoAgents : SandboxGit {
  std::string one;
  std::string two;

  TwoAgents() {
    const std::string repo = repository("host");
    write(repo + "/shared", "1\n2\n3\n");
    write(repo + "/other", "o\n");
    commit_all(repo, "shared");
    import(repo);
    one = worktree("agent-0").path.bytes;
    two = worktree("agent-1").path.bytes;
  }
  /// What agent-0 has is integrated.
  void integrate(const std::string& message) {
    commit("agent-0", message);
    REQUIRE(merge("swarm/x/agent-0").outcome == api::GitMergeOutcome::merged);
  }
  api::GitRebaseReply rebase(const std::string& agent = "agent-1") {
    return must(git_service.rebase({}, {.agent = agent}));
  }
  std::string state() { return git(store(), {"for-each-ref"}) + git(two, {"status", "--porcelain"}); }
};

TEST_CASE_METHOD(TwoAgents, "a rebase keeps authors, times, messages and trailers, and the old commits") {
  write(two + "/mine", "mine\n");
  must(git_service.commit({}, {.agent = "agent-1", .message = {"First\n\nWhy."}, .task = "tsk_1", .run = "run_1"}));
  write(two + "/shared", "1\n2\n3\nfour\n");
  commit("agent-1", "Second");
  CHECK(rebase().outcome == Outcome::up_to_date);
  write(one + "/shared", "zero\n1\n2\n3\n");
  std::filesystem::remove(one + "/other");
  integrate("zero");

  const char* format = "--format=%an <%ae> %at %B";
  const std::string before = git(store(), {"log", format, "swarm/x/integration..swarm/x/agent-1"});
  const std::string old = git(store(), {"rev-parse", "swarm/x/agent-1"});
  const api::GitRebaseReply reply = rebase();
  CHECK(reply.outcome == Outcome::rebased);
  CHECK(reply.replayed == 2);
  CHECK(reply.left_out == 0);
  CHECK(reply.before == old);
  CHECK(reply.head == git(store(), {"rev-parse", "swarm/x/agent-1"}));
  CHECK(before.contains("Swarm-Task: tsk_1"));
  CHECK(git(store(), {"log", format, "swarm/x/integration..swarm/x/agent-1"}) == before);
  CHECK(git(store(), {"merge-base", "swarm/x/integration", "swarm/x/agent-1"}) == reply.onto);
  CHECK(git(store(), {"rev-list", "--min-parents=2", "swarm/x/integration..swarm/x/agent-1"}).empty());
  CHECK(read(two + "/shared") == "zero\n1\n2\n3\nfour\n");
  CHECK(read(two + "/mine") == "mine\n");
  CHECK_FALSE(std::filesystem::exists(two + "/other"));
  CHECK(git(two, {"status", "--porcelain"}).empty());
  CHECK(git(store(), {"rev-parse", "refs/swarm/before/x/agent-1/" + old}) == old);
  git(store(), {"fsck", "--strict", "--full"});
  CHECK(rebase().outcome == Outcome::up_to_date);
  CHECK(merge("swarm/x/agent-1").outcome == api::GitMergeOutcome::merged);
  CHECK(rebase("agent-0").replayed == 0);  // all of its own is there: it moves forward
  CHECK(read(one + "/mine") == "mine\n");
}

TEST_CASE_METHOD(TwoAgents, "where one commit of a branch does not fit, nothing of a rebase happens") {
  write(two + "/mine", "mine\n");
  commit("agent-1", "fits");
  write(two + "/shared", "1\nfrom one\n3\n");
  commit("agent-1", "does not");
  write(one + "/shared", "1\nfrom zero\n3\n");
  integrate("zero");
  const std::string before = state();
  const api::GitRebaseReply reply = rebase();
  CHECK(reply.outcome == Outcome::conflict);
  CHECK(reply.subject == "does not");
  CHECK(reply.commit == git(store(), {"rev-parse", "swarm/x/agent-1"}));
  REQUIRE(reply.conflicts.size() == 1);
  CHECK(reply.conflicts[0].path.bytes == "shared");
  CHECK(reply.conflicts[0].hunks.at(0).text.bytes.contains("<<<<<<< integration\nfrom zero\n"));
  CHECK(state() == before);
  CHECK(read(two + "/shared") == "1\nfrom one\n3\n");

  // A sync resolves it; what was resolved there is not thrown away afterwards.
  CHECK(must(git_service.sync({}, {.agent = "agent-1"})).outcome == api::GitSyncOutcome::conflict);
  CHECK(refused(git_service.rebase({}, {.agent = "agent-1"})).message.contains("sync with conflicts"));
  write(two + "/shared", "1\nfrom both\n3\n");
  commit("agent-1", "Merge");
  write(one + "/late", "late\n");
  integrate("late");
  const std::string resolved = state();
  CHECK(rebase().outcome == Outcome::conflict);
  CHECK(state() == resolved);
}

TEST_CASE_METHOD(TwoAgents, "a rebase leaves merges out, but never what somebody did in one") {
  write(two + "/mine", "mine\n");
  commit("agent-1", "mine");
  write(one + "/zero", "zero\n");
  integrate("zero");
  CHECK(must(git_service.sync({}, {.agent = "agent-1"})).outcome == api::GitSyncOutcome::merged);
  write(one + "/more", "more\n");
  integrate("more");
  const api::GitRebaseReply reply = rebase();
  CHECK(reply.outcome == Outcome::rebased);
  CHECK(reply.replayed == 1);
  CHECK(reply.left_out == 1);
  CHECK(read(two + "/more") == "more\n");

  // A merge with a file of its own, as only git(1) with other rights could make it.
  write(one + "/third", "third\n");
  integrate("third");
  const std::string merge_commit = git(store(), {"commit-tree", "-m", "evil", "-p", "swarm/x/agent-1", "-p",
                                                 "swarm/x/integration", git(store(), {"rev-parse", "HEAD^{tree}"})});
  git(store(), {"update-ref", "refs/heads/swarm/x/agent-1", merge_commit});
  git(two, {"reset", "--hard", "-q"});
  write(one + "/fourth", "fourth\n");
  integrate("fourth");
  CHECK(refused(git_service.rebase({}, {.agent = "agent-1"})).message.contains("more was done than merging"));
}

TEST_CASE_METHOD(TwoAgents, "a rebase waits for what is not committed, and for the locks of others") {
  write(two + "/mine", "mine\n");
  commit("agent-1", "mine");
  write(one + "/zero", "zero\n");
  integrate("zero");
  write(two + "/loose", "loose\n");
  CHECK(refused(git_service.rebase({}, {.agent = "agent-1"})).message.contains("'loose'"));
  std::filesystem::remove(two + "/loose");
  locks = {{.path = "zero", .holder = "agent-0", .reason = ""}};  // somebody else's, and not changed by the branch
  locks.push_back({.path = "mine", .holder = "agent-2", .reason = "moving it"});
  const std::string before = state();
  const Error refusal = refused(git_service.rebase({}, {.agent = "agent-1"}));
  CHECK(refusal.code == Code::failed_precondition);
  CHECK(refusal.message.contains("mine (agent-2: moving it)"));
  CHECK_FALSE(refusal.message.contains("zero"));
  CHECK(state() == before);
  locks.pop_back();
  CHECK(rebase().outcome == Outcome::rebased);
}

TEST_CASE_METHOD(TwoAgents, "a commit whose change was integrated by other means is left out") {
  write(two + "/same", "same\n");
  commit("agent-1", "same");
  write(two + "/more", "more\n");
  commit("agent-1", "more");
  write(one + "/same", "same\n");
  integrate("the same");
  const api::GitRebaseReply reply = rebase();
  CHECK(reply.outcome == Outcome::rebased);
  CHECK(reply.replayed == 1);
  CHECK(reply.left_out == 1);
}

}  // namespace
}  // namespace swarm::agentd::git
