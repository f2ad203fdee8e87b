// A team on a real agentd: who speaks is who the kernel says, and nothing that was promised is lost with agentd.

#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <set>

#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/api/note.hpp"
#include "protocol/api/task.hpp"
#include "protocol/api/team.hpp"
#include "tests/integration/agentd/rig.hpp"

namespace swarm::tests {
namespace {

namespace inside = api::inside;

class TeamRig : public AgentdRig {
 public:
  TeamRig() {
    if (geteuid() != 0) WARN("not root: agents share our uid here");
    info = ask(inside::kTeamOpen, {.swarm = "swm_one", .name = "one", .messages_per_minute = 100'000});
  }

  api::TeamMember join(const std::string& agent, const std::string& role = "") {
    return ask(inside::kTeamJoin, {.agent = agent, .role = role});
  }

  struct Output {
    int code = -1;
    std::string out;
    std::string err;
  };
  /// `swarm WORDS...` as a program of that agent, or as the uid of nobody.
  Output swarm(const std::optional<api::TeamMember>& as, std::vector<std::string> words) {
    std::vector<std::string> argv;
    const std::string uid = std::to_string(as ? as->uid : 60'000);
    if (geteuid() == 0) argv = {"/usr/bin/setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"};
    argv.insert(argv.end(), {std::string(SWARM_BIN_DIR) + "/swarm", "--socket", directory / "state/agentd.sock"});
    argv.insert(argv.end(), words.begin(), words.end());
    const auto output = loop.block_on(
        async::run_command(loop, {.argv = argv, .env = {"PATH=/usr/bin", "SWARM_AGENT=" + (as ? as->agent : "x")}}));
    REQUIRE(output);
    return {output->status.code, output->out, output->err};
  }

  void kill_agentd() {
    kill(agentd_pid(), SIGKILL);
    connect();
  }

  api::TeamInfo info;
};

TEST_CASE_METHOD(TeamRig, "team: an agent has a uid, a user and a home of its own") {
  const auto zero = join("agent-0", "coder");
  const auto one = join("agent-1");
  CHECK(join("agent-0", "coder") == zero);
  CHECK(ask(inside::kTeamList, {}).members.size() == 2);
  struct stat home{};
  REQUIRE(stat(zero.home.bytes.c_str(), &home) == 0);
  CHECK(home.st_uid == zero.uid);
  CHECK((home.st_mode & 07777U) == 0700);
  if (geteuid() == 0) {
    CHECK(zero.uid == 2001);
    CHECK(one.uid == 2002);
    CHECK(zero.identity == api::Identity::enforced);
    // As whom programs run.
    const auto started = ask(inside::kExecStart, {.command = "id -u", .user = "agent-1", .capture = true});
    CHECK(started.stdout_text.value_or(api::Text{}).bytes == "2002\n");
  } else {
    CHECK(info.identity == api::Identity::cooperative);
  }
  CHECK(swarm(zero, {"whoami"}).out.find("agent        agent-0\n") != std::string::npos);
  const auto other = try_ask(inside::kTeamOpen, {.swarm = "swm_other"});
  REQUIRE(!other);
  CHECK(other.error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(TeamRig, "team: nobody speaks for another") {
  const auto zero = join("agent-0");
  const auto one = join("agent-1");
  CHECK(swarm(one, {"lock", "a.c"}).code == 0);
  if (geteuid() == 0) {
    // The environment says nothing, and a uid that is no agent's is nobody.
    auto liar = zero;
    liar.agent = "agent-1";
    CHECK(swarm(liar, {"unlock", "a.c"}).code == 6);
    CHECK(swarm(liar, {"whoami"}).out.find("agent-0\n") != std::string::npos);
    const auto stranger = swarm(std::nullopt, {"send", "agent-0", "hello"});
    CHECK(stranger.code == 6);
    CHECK(stranger.err.find("uid 60000 is no agent") != std::string::npos);
    CHECK(swarm(std::nullopt, {"agents"}).code == 6);
  }
  CHECK(swarm(zero, {"unlock", "a.c"}).code == 6);
  // One who left is nobody any more, and what it held is free.
  ask(inside::kTeamLeave, {.agent = "agent-1", .reason = "done"});
  CHECK(swarm(one, {"agents"}).code == 6);
  CHECK(swarm(zero, {"lock", "a.c"}).code == 0);
  CHECK(swarm(zero, {"send", "agent-1", "hello"}).code == 4);
  CHECK(join("agent-1").uid == one.uid);
  CHECK(swarm(one, {"agents"}).code == 0);
}

TEST_CASE_METHOD(TeamRig, "team: what was accepted survives agentd, in order, once") {
  const auto zero = join("agent-0");
  const auto one = join("agent-1");
  CHECK(swarm(one, {"lock", "src/", "--reason", "mine"}).code == 0);
  CHECK(ask(api::kNotePut, {{.key = "k", .value = "v"}, {}}).author == "human");
  for (int i = 0; i < 12; ++i) {
    if (i % 4 == 3) kill_agentd();
    REQUIRE(swarm(zero, {"send", "agent-1", std::to_string(i)}).code == 0);
  }
  kill_agentd();
  const auto again = swarm(zero, {"lock", "src/x.c"});
  CHECK(again.code == 1);
  CHECK(again.err.find("agent-1") != std::string::npos);
  CHECK(again.err.find("mine") != std::string::npos);
  CHECK(swarm(zero, {"note", "get", "k"}).out == "v\n");
  std::string bodies;
  for (int round = 0; round < 2; ++round) {
    const std::string out = swarm(one, {"inbox"}).out;
    for (std::size_t at = out.find("\n    "); at != std::string::npos; at = out.find("\n    ", at + 1)) {
      bodies += out.substr(at + 5, out.find('\n', at + 1) - at - 5) + " ";
    }
  }
  CHECK(bodies == "0 1 2 3 4 5 6 7 8 9 10 11 ");
}

TEST_CASE_METHOD(TeamRig, "team: what others write can do nothing to a terminal") {
  const auto zero = join("agent-0");
  const auto one = join("agent-1");
  const std::string nasty =
      "red\x1b[31m\x1b]0;title\x07 \xe2\x80\xae"
      "back\x01\r\n\tend";
  REQUIRE(swarm(zero, {"send", "agent-1", "--", nasty}).code == 0);
  const std::string out = swarm(one, {"inbox", "--peek"}).out;
  CHECK(out.find('\x1b') == std::string::npos);
  CHECK(out.find("red back") != std::string::npos);
  CHECK(out.find("\xe2\x80\xae") == std::string::npos);
  // A long one comes through a file, and what is too long says what to do.
  const std::string path = directory / "text";
  std::ofstream(path) << std::string(10'000, 'x');
  CHECK(swarm(zero, {"send", "agent-1", "--file", path}).code == 0);
  std::ofstream(path) << std::string(20'000, 'x');
  const auto long_one = swarm(zero, {"send", "agent-1", "--file", path});
  CHECK(long_one.code == 2);
  CHECK(long_one.err.find("10240") != std::string::npos);
}

TEST_CASE_METHOD(TeamRig, "team: who gives a task up gives back what it changed for it, and nothing else") {
  const auto zero = join("agent-0");
  const auto one = join("agent-1");
  std::optional<Error> refusal;
  std::vector<std::string> asked;
  const auto answer = [&](const auto& request) -> Result<api::TaskInfo> {
    asked.push_back(request.agent.value_or(""));
    if (refusal) return fail(*refusal);
    return api::TaskInfo{.id = request.task, .run = "run_1", .title = "t"};
  };
  answers.bind(api::kTaskFail, [&](wire::CallContext&, api::FromAgent<api::TaskReasonRequest> r) { return answer(r); });
  answers.bind(api::kTaskRelease,
               [&](wire::CallContext&, api::FromAgent<api::TaskReasonRequest> r) { return answer(r); });
  std::filesystem::create_directories(directory / "words/.git");
  // The hook of an edit in its own worktree takes it.
  const auto changed = [&](const api::TeamMember& who, const std::string& path) {
    const std::string tree = directory / (".worktrees/" + who.agent + "/words/");
    std::filesystem::create_directories(tree + ".git");
    const std::string told = R"({"tool_name": "Edit", "tool_input": {"file_path": ")" + tree + path + R"("}})";
    const auto done = swarm(who, {"hook", "PreToolUse", told});
    return done.code == 0 && done.out.find("deny") == std::string::npos;
  };
  const auto held = [&] {
    std::set<std::string> paths;
    for (const auto& lock : ask(api::kLockList, {}).locks) paths.insert(lock.path.bytes);
    return paths;
  };
  using Paths = std::set<std::string>;
  for (const char* verb : {"fail", "release"}) {
    refusal.reset();
    REQUIRE(changed(zero, "a.c"));
    REQUIRE(swarm(zero, {"lock", "b.c", "--reason", "by hand"}).code == 0);
    REQUIRE(changed(one, "c.c"));
    // It keeps its task, and what it changed.
    refusal = Error{.code = Code::failed_precondition, .message = "it is another's"};
    CHECK(swarm(zero, {"task", verb, "tsk_1", "--reason", "stuck"}).code != 0);
    CHECK(held() == Paths{"a.c", "b.c", "c.c"});
    refusal.reset();
    const auto given_up = swarm(zero, {"task", verb, "tsk_1", "--reason", "stuck"});
    CHECK(given_up.code == 0);
    CHECK(given_up.err == "");
    CHECK(held() == Paths{"b.c", "c.c"});
    CHECK(changed(one, "a.c"));
    REQUIRE(swarm(one, {"unlock", "a.c"}).code == 0);
  }
  CHECK(asked == std::vector<std::string>(4, "agent-0"));
}

TEST_CASE_METHOD(TeamRig, "team: a waiting agent gets the lock next, and a person may break it") {
  const auto zero = join("agent-0");
  const auto one = join("agent-1");
  REQUIRE(swarm(one, {"lock", "a.c", "--ttl", "none"}).code == 0);
  async::TaskSet tasks(loop);
  std::optional<Output> waited;
  struct Wait {
    static async::Task<> run(TeamRig& rig, std::vector<std::string> argv, std::optional<Output>& out) {
      const auto output = co_await async::run_command(rig.loop, {.argv = std::move(argv)});
      if (output) out = Output{output->status.code, output->out, output->err};
    }
  };
  const std::string uid = std::to_string(zero.uid);
  if (geteuid() != 0) return;
  tasks.spawn(Wait::run(
      *this,
      {"/usr/bin/setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", std::string(SWARM_BIN_DIR) + "/swarm",
       "--socket", directory / "state/agentd.sock", "lock", "./x/../a.c", "--wait", "20s"},
      waited));
  api::LockListReply locks;
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  do {
    locks = ask(api::kLockList, {});
  } while (locks.waiting.empty() && std::chrono::steady_clock::now() < deadline);
  REQUIRE(locks.waiting.size() == 1);
  REQUIRE(locks.locks.size() == 1);
  const auto broken = ask(inside::kLockBreak, {{.id = locks.locks[0].id, .reason = "it sleeps"}, {}});
  CHECK(broken.agent == "agent-1");
  loop.block_on(tasks.join());
  REQUIRE(waited);
  CHECK(waited->code == 0);
  CHECK(ask(api::kLockList, {}).locks.at(0).agent == "agent-0");
  CHECK(swarm(zero, {"lock", "../outside"}).code == 2);
}

}  // namespace
}  // namespace swarm::tests
