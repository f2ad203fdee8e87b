#include <csignal>
#include <fstream>

#include "agentd/init/protocol.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/api/registry.hpp"
#include "tests/integration/agentd/rig.hpp"

namespace swarm::tests {
namespace {

using api::ExecStartRequest;
namespace inside = api::inside;

ExecStartRequest shell(std::string line) { return {.command = std::move(line)}; }

TEST_CASE_METHOD(AgentdRig, "agentd: says what it is and keeps the lease") {
  const auto info = ask(inside::kAgentdInfo, {});
  CHECK(info.pid > 0);
  CHECK(!info.instance.empty());
  CHECK(info.system.cpus >= 1);
  CHECK(info.system.memory_bytes > 0);
  CHECK(info.workspace.bytes == directory.path());
  const auto alive = ask(inside::kAgentdKeepalive, {.ttl_ms = 60'000ms});
  CHECK(alive.running == 0);
}

TEST_CASE_METHOD(AgentdRig, "agentd: the dead-man's timer ends everything") {
  ask(inside::kAgentdKeepalive, {.ttl_ms = 1000ms});
  const auto status = loop.block_on(init->wait());
  CHECK(status.code == 3);
}

TEST_CASE_METHOD(AgentdRig, "agentd: captured exec") {
  auto request = shell("echo $FROM_TEMPLATE $EXTRA; pwd; echo bad >&2; exit 7");
  request.env = {{"EXTRA", "more"}};
  request.capture = true;
  const auto reply = ask(inside::kExecStart, request);
  REQUIRE(reply.status);
  CHECK(reply.status->state == api::ExecState::exited);
  CHECK(reply.status->exit_code == 7U);
  CHECK(reply.stdout_text->bytes == "yes more\n" + directory.path() + "\n");
  CHECK(reply.stderr_text->bytes == "bad\n");

  request = shell("head -c 100000 /dev/zero");
  request.capture = true;
  request.capture_limit_bytes = 10;
  const auto cut = ask(inside::kExecStart, request);
  CHECK(cut.stdout_text->bytes.size() == 10);
  CHECK(cut.stdout_dropped_bytes == 99'990U);

  request = shell("kill -SEGV $$");
  CHECK(ask(inside::kExecStart, request).status->signal == 11U);
  request = {.argv = {"no-such-program"}};
  const auto failed = try_ask(inside::kExecStart, request);
  REQUIRE(!failed);
  CHECK(failed.error().code == Code::not_found);
  request = shell("true");
  request.user = "no-such-user";
  CHECK(try_ask(inside::kExecStart, request).error().code == Code::not_found);
}

TEST_CASE_METHOD(AgentdRig, "agentd: streams both ways") {
  const auto in = connection->new_stream_id();
  const auto out = connection->new_stream_id();
  const auto err = connection->new_stream_id();
  auto source = connection->open_source(out);
  auto errors = connection->open_source(err);
  auto sink = connection->open_sink(in);
  REQUIRE((source && errors && sink));
  auto request = shell("tr a-z A-Z; echo oops >&2");
  request.wait = false;
  request.stdin_stream = in;
  request.stdout_stream = out;
  request.stderr_stream = err;
  const auto reply = ask(inside::kExecStart, request);
  const std::string text(1'000'000, 'q');
  struct Give {
    static async::Task<> run(wire::ByteSink& sink, const std::string& text) {
      const auto ignored = co_await sink.write(std::as_bytes(std::span(text)));
      static_cast<void>(ignored);
      sink.end();
    }
  };
  async::TaskSet giving(loop);
  giving.spawn(Give::run(**sink, text));
  CHECK(read_stream(std::move(*source)) == std::string(1'000'000, 'Q'));
  CHECK(read_stream(std::move(*errors)) == "oops\n");
  const auto status = ask(inside::kExecWait, {.exec = reply.exec});
  CHECK(status.exit_code == 0U);
  const auto listed = ask(inside::kExecList, {.all = true});
  REQUIRE(listed.execs.size() == 1);
  CHECK(listed.execs[0].stdout_end == 1'000'000);
  CHECK(listed.execs[0].command == "tr a-z A-Z; echo oops >&2");
  CHECK(ask(inside::kExecList, {}).execs.empty());
}

TEST_CASE_METHOD(AgentdRig, "agentd: wait gives up, kill answers when all are gone") {
  auto request = shell("trap '' TERM; while :; do sleep 0.05; done");
  request.wait = false;
  const auto reply = ask(inside::kExecStart, request);
  const auto waited = try_ask(inside::kExecWait, {.exec = reply.exec, .timeout_ms = 100ms});
  REQUIRE(!waited);
  CHECK(waited.error().code == Code::deadline_exceeded);
  CHECK(ask(inside::kAgentdKeepalive, {.ttl_ms = 60'000ms}).running == 1);
  const auto killed = ask(inside::kExecKill, {.exec = reply.exec, .grace_ms = 100ms});
  CHECK(killed.signal == 9U);
  CHECK(try_ask(inside::kExecSignal, {.exec = reply.exec, .signal = "INT"}).error().code == Code::failed_precondition);
  CHECK(try_ask(inside::kExecSignal, {.exec = reply.exec, .signal = "NOPE"}).error().code == Code::invalid_argument);
}

TEST_CASE_METHOD(AgentdRig, "agentd: killed and restarted, background goes on, foreground fails as unavailable") {
  auto request = shell("i=0; while :; do echo $i; i=$((i+1)); sleep 0.001; done");
  request.background = true;
  request.wait = false;
  const auto background = ask(inside::kExecStart, request);
  const pid_t old = agentd_pid();
  const std::string go = directory / "killed";
  struct Killer {
    static async::Task<> run(async::Loop& loop, pid_t pid, std::string mark) {
      while (access(mark.c_str(), F_OK) != 0) co_await async::sleep_for(loop, 1ms);
      kill(pid, SIGKILL);
    }
  };
  async::TaskSet killer(loop);
  killer.spawn(Killer::run(loop, old, go));
  request = shell("touch " + go + "; exec sleep 1000");
  const auto foreground = try_ask(inside::kExecStart, request);
  REQUIRE(!foreground);
  CHECK(foreground.error().code == Code::unavailable);

  connect();
  CHECK(agentd_pid() != old);
  const auto listed = ask(inside::kExecList, {});
  REQUIRE(listed.execs.size() == 1);
  CHECK(listed.execs[0].status.exec == background.exec);
  CHECK(listed.execs[0].pid == background.pid);

  const auto out = connection->new_stream_id();
  auto source = connection->open_source(out);
  REQUIRE(source);
  const auto attached = ask(inside::kExecAttach, {.exec = background.exec, .follow = false, .stdout_stream = out});
  CHECK(attached.stdout_from == 0);
  const std::string text = read_stream(std::move(*source));
  std::string expected;
  for (int i = 0; expected.size() < text.size(); ++i) expected += std::to_string(i) + "\n";
  CHECK(text == expected.substr(0, text.size()));
  CHECK(!text.empty());
  const auto past = try_ask(inside::kExecAttach, {.exec = background.exec, .stdout_from = 1U << 30U});
  CHECK(past.error().code == Code::out_of_range);
  CHECK(ask(inside::kExecKill, {.exec = background.exec, .grace_ms = 0ms}).signal == 9U);
}

TEST_CASE_METHOD(AgentdRig, "agentd: a foreground program ends with its connection") {
  const std::string pid_file = directory / "pid";
  auto request = shell("echo $$ > " + pid_file + ".new; mv " + pid_file + ".new " + pid_file + "; exec sleep 1000");
  request.wait = false;
  request.grace_ms = 0ms;
  const auto reply = ask(inside::kExecStart, request);
  connect();
  const auto status = ask(inside::kExecWait, {.exec = reply.exec, .timeout_ms = 20'000ms});
  CHECK(status.state == api::ExecState::exited);
  CHECK(kill(static_cast<pid_t>(reply.pid), 0) != 0);
}

TEST_CASE_METHOD(AgentdRig, "agentd: ends the sandbox when told, programs first") {
  auto request = shell("trap 'echo ended > " + (directory / "mark") + "; exit' TERM; while :; do sleep 0.01; done");
  request.background = true;
  request.wait = false;
  ask(inside::kExecStart, request);
  ask(inside::kAgentdShutdown, {.grace_ms = 5000ms, .reason = "test"});
  const auto status = loop.block_on(init->wait());
  CHECK(status.code == 0);
  CHECK(access((directory / "mark").c_str(), F_OK) == 0);
}

TEST_CASE_METHOD(AgentdRig, "swarm: programs inside learn who they are and nothing else") {
  const std::string bin = SWARM_BIN_DIR;
  const std::string socket = directory / "state/agentd.sock";
  const auto swarm = [&](const std::string& verb) {
    const auto output = loop.block_on(async::run_command(loop, {.argv = {bin + "/swarm", "--socket", socket, verb}}));
    REQUIRE(output);
    return *output;
  };
  const auto who = swarm("whoami");
  CHECK(who.status.code == 0);
  CHECK(who.out.find(sandbox) != std::string::npos);
  CHECK(who.out.find("uid          " + std::to_string(geteuid()) + "\n") != std::string::npos);
  const auto status = swarm("status");
  CHECK(status.out.find("tunnels      1\n") != std::string::npos);
  CHECK(swarm("version").status.code == 0);
  CHECK(swarm("nonsense").status.code == 2);

  // Every method of the daemon's is refused on the inner socket.
  auto stream = loop.block_on(transport::connect_unix(loop, socket));
  REQUIRE(stream);
  wire::Connection inner(loop, std::move(*stream), wire::Side::dialer, wire::Limits{}, nullptr);
  struct Serve {
    static async::Task<> run(wire::Connection& connection) {
      const Error ignored = co_await connection.run();
      static_cast<void>(ignored);
    }
  };
  async::TaskSet serving(loop);
  serving.spawn(Serve::run(inner));
  std::vector<const api::MethodInfo*> refused(api::agentd_methods().begin(), api::agentd_methods().end());
  refused.insert(refused.end(), {&inside::kLockBreak, &inside::kMessageAgain});
  for (const api::MethodInfo* method : refused) {
    if (method->caller != api::Caller::daemon) continue;
    const auto answer = loop.block_on(inner.call(std::string(method->name), Value(Value::Array{})));
    INFO(method->name);
    REQUIRE(!answer);
    CHECK((answer.error().code == Code::permission_denied || answer.error().code == Code::unimplemented));
  }
}

}  // namespace
}  // namespace swarm::tests
