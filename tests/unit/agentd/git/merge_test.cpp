// The merge queue's step, and the way out of the sandbox.

#include "tests/unit/agentd/git/git_rig.hpp"

namespace swarm::agentd::git {
namespace {

using tests::SandboxGit;

TEST_CASE_METHOD(SandboxGit, "a candidate is merged when the test of the merged tree succeeds, and once only") {
  const std::string repo = repository("host");
  write(repo + "/.gitignore", "cache\n");
  commit_all(repo, "ignore");
  import(repo);
  const std::string one = worktree("agent-0").path.bytes;
  const std::string two = worktree("agent-1").path.bytes;
  write(one + "/a", "a\n");
  write(two + "/b", "b\n");
  commit("agent-0", "a");
  commit("agent-1", "b");

  const auto first = merge("swarm/x/agent-0", "test -f a && touch leftover cache && echo ok; echo err >&2");
  CHECK(first.outcome == api::GitMergeOutcome::merged);
  CHECK(first.exit_status == 0U);
  CHECK(first.output.bytes.contains("ok\n"));
  CHECK(first.output.bytes.contains("err\n"));
  CHECK(first.commit == first.integration);
  // The tree that is tested is the merge, and nothing that another test left.
  const auto second = merge("swarm/x/agent-1", "test -f a && test -f b && ! test -e leftover && ! test -e cache");
  CHECK(second.outcome == api::GitMergeOutcome::merged);
  CHECK(git(store(), {"ls-tree", "--name-only", "swarm/x/integration"}) == ".gitignore\nREADME\na\nb");

  const auto again = merge("swarm/x/agent-0", "false");
  CHECK(again.outcome == api::GitMergeOutcome::merged);
  CHECK(again.commit == first.commit);
  CHECK(again.integration == *second.commit);
  CHECK(tests_run.size() == 2);
  CHECK(git(store(), {"rev-list", "--merges", "--count", "swarm/x/integration"}) == "2");
  git(store(), {"fsck", "--strict", "--full"});
}

TEST_CASE_METHOD(SandboxGit, "what is reserved for a change is free when that is merged or dropped") {
  const std::string repo = repository("host");
  import(repo);
  const std::string one = worktree("agent-0").path.bytes;
  const std::string two = worktree("agent-1").path.bytes;
  write(one + "/a", "a\n");
  write(one + "/b", "b\n");
  write(two + "/c", "c\n");
  commit("agent-0", "a and b");
  commit("agent-1", "c");
  write(one + "/b", "b, and more that is not handed in\n");
  const Reserved a{.id = "lck_a", .agent = "agent-0", .path = "a"};
  const Reserved b{.id = "lck_b", .agent = "agent-0", .path = "b"};
  const Reserved c{.id = "lck_c", .agent = "agent-1", .path = "c"};
  const Reserved shared{.id = "lck_d", .agent = "agent-7", .path = "a"};  // one without a worktree
  reserved = {a, b, c, shared};

  CHECK(merge("swarm/x/agent-0", "false").outcome == api::GitMergeOutcome::red);
  CHECK(reserved == std::vector{a, b, c, shared});
  CHECK(merge("swarm/x/agent-0", "true").outcome == api::GitMergeOutcome::merged);
  CHECK(reserved == std::vector{b, c, shared});
  // Asked again, as after a crash in between; and what came later goes with its own merge.
  reserved.push_back(a);
  CHECK(merge("swarm/x/agent-0", "true").outcome == api::GitMergeOutcome::merged);
  CHECK(reserved == std::vector{b, c, shared});
  commit("agent-0", "more");
  CHECK(merge("swarm/x/agent-0", "true").outcome == api::GitMergeOutcome::merged);
  CHECK(reserved == std::vector{c, shared});
  must(git_service.remove_worktree({.repo = "repo", .agent = "agent-1"}));
  CHECK(reserved == std::vector{shared});
}

TEST_CASE_METHOD(SandboxGit, "a red, a conflicting and an empty candidate leave the branch where it is") {
  const std::string repo = repository("host");
  write(repo + "/f", "1\n2\n3\n");
  commit_all(repo, "f");
  import(repo);
  const std::string one = worktree("agent-0").path.bytes;
  const std::string two = worktree("agent-1").path.bytes;
  CHECK(merge("swarm/x/agent-0").outcome == api::GitMergeOutcome::empty);
  write(one + "/f", "1\nzero\n3\n");
  commit("agent-0", "zero");
  REQUIRE(merge("swarm/x/agent-0").outcome == api::GitMergeOutcome::merged);
  const std::string tip = git(store(), {"rev-parse", "swarm/x/integration"});

  write(two + "/bad", "bad\n");
  commit("agent-1", "bad");
  const auto red = merge("swarm/x/agent-1", "echo broken; exit 7");
  CHECK(red.outcome == api::GitMergeOutcome::red);
  CHECK(red.exit_status == 7U);
  CHECK(red.output.bytes == "broken\n");
  CHECK_FALSE(red.commit.has_value());
  const auto killed = merge("swarm/x/agent-1", "kill -9 $$");
  CHECK(killed.outcome == api::GitMergeOutcome::red);

  write(two + "/f", "1\none\n3\n");
  commit("agent-1", "one");
  const auto conflict = merge("swarm/x/agent-1", "true");
  CHECK(conflict.outcome == api::GitMergeOutcome::conflict);
  REQUIRE(conflict.conflicts.size() == 1);
  CHECK(conflict.conflicts[0].reason == "integration and agent-1 both changed it");
  CHECK(conflict.conflicts[0].hunks.at(0).text.bytes.contains("zero\n||||||| before\n2\n=======\none\n"));
  CHECK(git(store(), {"rev-parse", "swarm/x/integration"}) == tip);
  CHECK(tests_run.size() == 2);

  std::filesystem::remove(two + "/f");
  commit("agent-1", "gone");
  CHECK(merge("swarm/x/agent-1").conflicts.at(0).reason == "integration changed it, agent-1 deleted it");
  CHECK(refused(git_service.merge({.repo = "repo", .swarm = "x", .candidate = "nobody"})).code == Code::not_found);
}

TEST_CASE_METHOD(SandboxGit, "merges of one repository take turns") {
  import(repository("host"));
  constexpr int kAgents = 6;
  for (int i = 0; i < kAgents; ++i) {
    const std::string agent = "agent-" + std::to_string(i);
    write(worktree(agent).path.bytes + "/" + agent, agent);
    commit(agent, agent);
  }
  std::vector<api::GitMergeReply> replies;
  async::TaskSet tasks(loop);
  struct One {
    static async::Task<> run(SandboxGit& self, std::string candidate, std::vector<api::GitMergeReply>& into) {
      Result<api::GitMergeReply> reply = co_await self.git_service.merge(
          {.repo = "repo", .swarm = "x", .candidate = std::move(candidate), .test_command = "test -f README"});
      if (reply) into.push_back(std::move(*reply));
    }
  };
  for (int i = 0; i < kAgents; ++i) tasks.spawn(One::run(*this, "swarm/x/agent-" + std::to_string(i), replies));
  loop.block_on(tasks.join());
  REQUIRE(replies.size() == kAgents);
  for (const auto& reply : replies) CHECK(reply.outcome == api::GitMergeOutcome::merged);
  CHECK(git(store(), {"rev-list", "--first-parent", "--count", "refs/swarm/base..swarm/x/integration"}) == "6");
}

TEST_CASE_METHOD(SandboxGit, "a command that ran no test merges nothing") {
  import(repository("host"));
  write(worktree("agent-0").path.bytes + "/file", "text");
  commit("agent-0", "a change");
  const auto merge = [&](std::string command) {
    auto task = git_service.merge(
        {.repo = "repo", .swarm = "x", .candidate = "swarm/x/agent-0", .test_command = std::move(command)});
    return *loop.block_on(std::move(task));
  };
  const api::GitMergeReply none = merge("echo 'Ran 0 tests in 0.000s' >&2");
  CHECK(none.outcome == api::GitMergeOutcome::red);
  CHECK(none.exit_status == 0U);
  CHECK(git(store(), {"rev-parse", "swarm/x/integration"}) == git(store(), {"rev-parse", "refs/swarm/base"}));
  CHECK(merge("echo 'Ran 1 test in 0.000s' >&2").outcome == api::GitMergeOutcome::merged);
}

TEST_CASE_METHOD(SandboxGit, "fifty agents commit at once") {
  import(repository("host"));
  constexpr int kAgents = 50;
  std::vector<std::string> places;
  for (int i = 0; i < kAgents; ++i) places.push_back(worktree("agent-" + std::to_string(i)).path.bytes);
  int created = 0;
  struct One {
    static async::Task<> run(SandboxGit& self, std::string agent, int& count) {
      const auto reply = co_await self.git_service.commit({}, {.agent = agent, .message = {"by " + agent}});
      if (reply && reply->created) ++count;
      if (!reply) UNSCOPED_INFO(reply.error().to_string());
    }
  };
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kAgents; ++i) {
      for (int file = 0; file < 5; ++file) {
        write(places[static_cast<std::size_t>(i)] + "/d" + std::to_string(file) + "/f" + std::to_string(i),
              std::to_string(round * 1000 + i));
      }
    }
    async::TaskSet tasks(loop);
    for (int i = 0; i < kAgents; ++i) tasks.spawn(One::run(*this, "agent-" + std::to_string(i), created));
    loop.block_on(tasks.join());
  }
  CHECK(created == 3 * kAgents);
  git(store(), {"fsck", "--strict", "--full"});
  CHECK(git(store(), {"rev-list", "--count", "--glob=refs/heads/swarm/x/*"}) == std::to_string(3 * kAgents + 1));
}

TEST_CASE_METHOD(SandboxGit, "what an export sends is complete, checked and no more than is needed") {
  const std::string repo = repository("host");
  for (int i = 0; i < 50; ++i) write(repo + "/tree/d" + std::to_string(i % 7) + "/f" + std::to_string(i), "content");
  commit_all(repo, "tree");
  import(repo);
  const std::string base = git(store(), {"rev-parse", "refs/swarm/base"});
  const std::string files = worktree("agent-0").path.bytes;
  write(files + "/tree/d1/f1", "changed\n");
  commit("agent-0", "change");
  merge("swarm/x/agent-0");

  swarm::git::Keeps keeps(program);
  const auto keep = must(keeps.open(directory / "keep", swarm::git::Keeps::Missing::make));
  auto source = must(swarm::git::Source::open(program, repo, directory / "scratch"));
  REQUIRE(loop.block_on(keep->receive({.pack = must(source->pack({base}, {})),
                                       .refs = {{"refs/swarm/base", base}},
                                       .shallow = {},
                                       .trust = swarm::git::Trust::user}))
              .has_value());
  const auto deliver = [&](const std::vector<std::string>& have) {
    const auto [reply, pack] = exported({"refs/heads/swarm/x/"}, have);
    swarm::git::Delivery delivery;
    for (const api::GitRef& ref : reply.refs) delivery.refs.push_back({.name = ref.name, .id = ref.id});
    delivery.pack = std::make_unique<tests::MemorySource>(loop, std::deque<std::string>{pack});
    const Result<void> received = loop.block_on(keep->receive(std::move(delivery)));
    if (!received) FAIL(received.error().to_string());
    return reply;
  };
  const auto first = deliver({base});
  CHECK(first.refs.size() == 2);
  CHECK(first.objects == 6);  // two commits, three trees, one file
  std::vector<std::string> have;
  for (const auto& ref : must(keep->refs())) have.push_back(ref.id);
  const auto nothing = deliver(have);
  CHECK(nothing.objects == 0);
  CHECK(nothing.size_bytes == 0);
  write(files + "/more", "more\n");
  commit("agent-0", "more");
  CHECK(deliver(have).objects == 3);
  CHECK(loop.block_on(keep->check()).has_value());

  const std::string tip = git(store(), {"rev-parse", "swarm/x/integration"});
  must(keep->publish({.repository = repo, .commit = tip, .branch = "swarm/x"}));
  git(repo, {"fsck", "--strict", "--full"});
  CHECK(git(repo, {"show", "swarm/x:tree/d1/f1"}) == "changed");
  // A fresh sandbox goes on from what was kept.
  CHECK(refused(git_service.export_pack(
                    {.repo = "repo", .refs = {"refs/heads/none"}, .pack = 1},
                    [] { return Result<std::unique_ptr<wire::ByteSink>>(nullptr); },
                    *std::make_unique<async::TaskSet>(loop)))
            .code == Code::not_found);
}

}  // namespace
}  // namespace swarm::agentd::git
