#include <random>

#include "tests/unit/agentd/exec/fixture.hpp"

namespace swarm::tests {
namespace {

/// A number of seconds to sleep that no other process on the machine sleeps.
std::string unique_sleep() {
  std::random_device device;
  return std::to_string(100'000 + device() % 899'999) + "." + std::to_string(device() % 100'000);
}

/// Leaves its parent, its session and its group.
std::string daemon_line(const std::string& seconds) { return "(setsid sh -c 'setsid sleep " + seconds + " &' &)"; }

TEST_CASE_METHOD(ExecFixture, "exec: daemonised children end with their foreground exec") {
  const std::string seconds = unique_sleep();
  // The daemon keeps standard output open; that must not hold up the end.
  const auto exec = run(shell(daemon_line(seconds) + "; while ! pgrep -f 'sleep " + seconds +
                              "' >/dev/null; do sleep 0.01; done; echo up; exit 6"));
  CHECK(exec->state().exit_code == 6);
  CHECK(out.text == "up\n");
  CHECK(processes_with(seconds).empty());
}

TEST_CASE_METHOD(ExecFixture, "exec: a timeout ends everything, TERM first") {
  const std::string seconds = unique_sleep();
  ExecSpec spec = shell(daemon_line(seconds) + "; trap 'echo term; exit 9' TERM; while :; do sleep 0.01; done");
  spec.timeout = 300ms;
  const auto exec = run(spec);
  CHECK(exec->state().timed_out == 1);
  CHECK(exec->state().exit_code == 9);
  CHECK(out.text == "term\n");
  CHECK(processes_with(seconds).empty());
}

TEST_CASE_METHOD(ExecFixture, "exec: a pause does not use up the timeout") {
  ExecSpec spec = shell("read line; exit 8");
  spec.timeout = 2000ms;
  ExecStreams streams{.in = std::make_unique<MemorySource>(loop, std::deque<std::string>{}, MemorySource::End::never)};
  auto foreground = get(execs->start_foreground(spec, std::move(streams)));
  const pid_t shim = parent_of(foreground->exec()->state().pid);
  // The freezer stops the supervisor and everything below it; a stop signal does the same to its clock.
  REQUIRE(kill(shim, SIGSTOP) == 0);
  const auto paused = std::chrono::steady_clock::now();
  wait_until([&] { return std::chrono::steady_clock::now() - paused > 2500ms; });
  REQUIRE(kill(shim, SIGCONT) == 0);
  REQUIRE(foreground->exec()->signal(SIGUSR1, agentd::shim::Target::process));
  loop.block_on(foreground->finish());
  CHECK(foreground->exec()->state().timed_out == 0);
  CHECK(foreground->exec()->state().signal == SIGUSR1);
}

TEST_CASE_METHOD(ExecFixture, "exec: what ignores TERM gets KILL") {
  const std::string seconds = unique_sleep();
  ExecSpec spec = shell("trap '' TERM; " + daemon_line(seconds) + "; echo up; while :; do sleep " + seconds + "; done");
  spec.timeout = 200ms;
  spec.grace = 100ms;
  const auto exec = run(spec);
  CHECK(exec->state().timed_out == 1);
  CHECK(exec->state().signal == SIGKILL);
  CHECK(exec->state().oom_killed == 0);
  CHECK(processes_with(seconds).empty());
}

TEST_CASE_METHOD(ExecFixture, "exec: a stopped tree is ended too") {
  const std::string seconds = unique_sleep();
  ExecSpec spec = shell("sleep " + seconds + " & kill -STOP $!; kill -STOP $$; echo on");
  spec.timeout = 200ms;
  const auto exec = run(spec);
  CHECK(exec->state().timed_out == 1);
  CHECK(processes_with(seconds).empty());
}

TEST_CASE_METHOD(ExecFixture, "exec: dropping the call ends the tree") {
  const std::string seconds = unique_sleep();
  {
    auto foreground = get(execs->start_foreground(shell(daemon_line(seconds) + "; sleep " + seconds), {}));
    wait_until([&] { return processes_with("sleep" + std::string(1, '\0') + seconds).size() >= 2; });
  }
  wait_until([&] { return processes_with(seconds).empty() && execs->running() == 0; });
}

TEST_CASE_METHOD(ExecFixture, "exec: when agentd dies a foreground exec ends") {
  const std::string seconds = unique_sleep();
  {
    auto foreground = get(execs->start_foreground(shell(daemon_line(seconds) + "; sleep " + seconds), {}));
    wait_until([&] { return processes_with("sleep" + std::string(1, '\0') + seconds).size() >= 2; });
    start_agentd();  // the old table goes first: its sockets close, as the kernel does for a killed process
  }
  wait_until([&] { return processes_with(seconds).empty(); });
  CHECK(execs->list().empty());
  while (waitpid(-1, nullptr, 0) > 0) {  // the shim: its agentd would have been reaped by init
  }
}

TEST_CASE_METHOD(ExecFixture, "exec: a killed supervisor takes its program along") {
  auto foreground = get(execs->start_foreground(shell("exec sleep 1000"), {}));
  const pid_t program = foreground->exec()->state().pid;
  const pid_t shim = parent_of(program);
  REQUIRE(kill(shim, SIGKILL) == 0);
  loop.block_on(foreground->finish());
  CHECK(foreground->exec()->lost());
  wait_until([program] {
    waitpid(program, nullptr, WNOHANG);
    return kill(program, 0) != 0;
  });
}

TEST_CASE_METHOD(ExecFixture, "exec: a tree that forks without end is ended") {
  ExecSpec spec = shell("b() { b & b & wait; }; b");
  const bool can_limit = geteuid() == 0;
  if (!can_limit) return;  // a limit on processes of our own uid would hit the machine's other users of it
  spec.user = {.name = "bomb", .uid = 61234, .gid = 61234, .groups = {61234}};
  spec.limits = {{.resource = RLIMIT_NPROC, .soft = 300, .hard = 300}};
  spec.timeout = 700ms;
  spec.grace = 50ms;
  err.keep = false;
  const auto exec = run(spec);
  CHECK(exec->ended());
  std::size_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::error_code gone;
    struct stat info{};
    if (stat(entry.path().c_str(), &info) == 0 && info.st_uid == 61234) ++left;
  }
  CHECK(left == 0);
}

TEST_CASE_METHOD(ExecFixture, "exec: signals reach whom they name") {
  const std::string script =
      "trap 'echo parent; exit 3' USR1; (trap 'echo child; exit 0' USR1; echo ready; while :; do sleep 0.01; done) & "
      "while :; do sleep 0.01; done";
  ExecStreams streams{.out = std::make_unique<MemorySink>(out)};
  auto foreground = get(execs->start_foreground(shell(script), std::move(streams)));
  wait_until([this] { return out.text.find("ready") != std::string::npos; });
  SECTION("the program alone") {
    REQUIRE(foreground->exec()->signal(SIGUSR1, agentd::shim::Target::process));
    loop.block_on(foreground->finish());
    CHECK(out.text.find("parent") != std::string::npos);
    CHECK(out.text.find("child") == std::string::npos);
  }
  SECTION("its group") {
    REQUIRE(foreground->exec()->signal(SIGUSR1, agentd::shim::Target::group));
    loop.block_on(foreground->finish());
    CHECK(out.text.find("parent") != std::string::npos);
  }
  CHECK(foreground->exec()->state().exit_code == 3);
  CHECK(foreground->exec()->signal(SIGUSR1, agentd::shim::Target::process).error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(ExecFixture, "exec: the records of ended execs are bounded") {
  options.history = 3;
  start_agentd();
  for (int i = 0; i < 6; ++i) run(shell("exit " + std::to_string(i)));
  wait_until([this] { return execs->running() == 0; });
  const auto all = execs->list();
  REQUIRE(all.size() == 3);
  CHECK(all[0]->state().exit_code + all[1]->state().exit_code + all[2]->state().exit_code == 5 + 4 + 3);
  CHECK(execs->find(all[0]->id()));
  CHECK(execs->find("prc_zzz").error().code == Code::not_found);
  CHECK(execs->find("prc_").error().code == Code::invalid_argument);
}

}  // namespace
}  // namespace swarm::tests
