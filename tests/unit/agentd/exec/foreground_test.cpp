#include "tests/unit/agentd/exec/fixture.hpp"

namespace swarm::tests {
namespace {

TEST_CASE_METHOD(ExecFixture, "exec: status and both outputs are exact") {
  const auto exec = run(shell("printf out; printf err >&2; exit 7"));
  CHECK(exec->state().exit_code == 7);
  CHECK(exec->state().signal == 0);
  CHECK(out.text == "out");
  CHECK(err.text == "err");
  CHECK(out.ended);
  CHECK(err.ended);
  CHECK(exec->extent(Output::out).end == 3);
  CHECK(exec->state().started_us > 0);
  CHECK(exec->state().ended_us >= exec->state().started_us);
}

TEST_CASE_METHOD(ExecFixture, "exec: a signal is told as the signal") {
  CHECK(run(shell("kill -SEGV $$"))->state().signal == SIGSEGV);
  CHECK(run(shell("kill -KILL $$"))->state().signal == SIGKILL);
  const auto exec = run(shell("exit 139"));
  CHECK(exec->state().signal == 0);
  CHECK(exec->state().exit_code == 139);
}

TEST_CASE_METHOD(ExecFixture, "exec: arguments, environment and directory arrive as they are") {
  ExecSpec spec = shell("");
  spec.argv = {"sh",  "-c",     "printf '%s|' \"$@\"; printf '%s|' \"$MARK\"; pwd; env | wc -l", "zero", "",
               "a b", "\xff\n*"};
  spec.env.emplace_back("MARK=x=y");
  spec.cwd = "/usr/bin";
  run(spec);
  CHECK(out.text.starts_with("|a b|\xff\n*|x=y|/usr/bin\n"));
}

TEST_CASE_METHOD(ExecFixture, "exec: what cannot be started says why") {
  const auto error_of = [this](ExecSpec spec) {
    ExecStreams streams;
    const auto result = loop.block_on(execs->start_foreground(std::move(spec), std::move(streams)));
    REQUIRE(!result);
    return result.error();
  };
  ExecSpec spec = shell("");
  spec.argv = {"no-such-program"};
  CHECK(error_of(spec).to_string() == "not_found: no program 'no-such-program' in the sandbox's PATH");
  std::ofstream(directory / "plain") << "no program\n";
  spec.argv = {directory / "plain"};
  CHECK(error_of(spec).code == Code::permission_denied);
  spec.argv = {"/bin/true"};
  spec.cwd = "/no/such/place";
  CHECK(error_of(spec).to_string() == "not_found: cwd: no directory '/no/such/place' in the sandbox");
  spec.cwd = "/";
  spec.argv = {"/bin/true", std::string(200'000, 'x')};
  CHECK(error_of(spec).code == Code::invalid_argument);
  spec.argv = {"/bin/true", std::string("a\0b", 3)};
  CHECK(error_of(spec).code == Code::invalid_argument);
  wait_until([this] { return execs->running() == 0; });
  CHECK(execs->list().empty());
}

TEST_CASE_METHOD(ExecFixture, "exec: a script without an interpreter line runs under sh") {
  const std::string path = directory / "script";
  std::ofstream(path) << "echo script $1\n";
  std::filesystem::permissions(path, std::filesystem::perms(0755));
  ExecSpec spec = shell("");
  spec.argv = {path, "one"};
  run(spec);
  CHECK(out.text == "script one\n");
}

TEST_CASE_METHOD(ExecFixture, "exec: input arrives and ends") {
  std::deque<std::string> chunks{"one ", "two ", std::string(300'000, 'x')};
  run(shell("wc -c"), std::make_unique<MemorySource>(loop, chunks));
  CHECK(std::stoi(out.text) == 300'008);

  SECTION("a broken giver is an end too") {
    run(shell("cat; echo over"), std::make_unique<MemorySource>(loop, chunks, MemorySource::End::broken));
    CHECK(out.text.ends_with("over\n"));
  }
  SECTION("a giver without end does not hold up the program's end") {
    const auto exec = run(shell("head -c 3"), std::make_unique<MemorySource>(loop, chunks, MemorySource::End::never));
    CHECK(out.text == "one");
    CHECK(exec->state().exit_code == 0);
  }
  SECTION("all at once, larger than any pipe") {
    ExecSpec spec = shell("wc -c");
    spec.input_from = agentd::Input::bytes;
    spec.input = std::string(5'000'000, 'y');
    run(spec);
    CHECK(std::stoi(out.text) == 5'000'000);
  }
  SECTION("none is an empty one") {
    run(shell("wc -c"));
    CHECK(std::stoi(out.text) == 0);
  }
}

TEST_CASE_METHOD(ExecFixture, "exec: a reader that goes breaks the pipe") {
  out.refuse = true;
  const auto exec = run(shell("exec cat /dev/zero"));
  CHECK(exec->state().signal == SIGPIPE);
}

TEST_CASE_METHOD(ExecFixture, "exec: a slow reader slows the program and loses nothing") {
  out.blocked = true;
  out.keep = false;
  auto task = run_task(shell("head -c 10000000 /dev/zero; echo done >&2"), nullptr);
  async::TaskSet tasks(loop);
  bool finished = false;
  struct Watch {
    static async::Task<> run(async::Task<Result<std::shared_ptr<Exec>>> inner, bool& done) {
      const auto result = co_await std::move(inner);
      done = result.has_value();
    }
  };
  tasks.spawn(Watch::run(std::move(task), finished));
  // The program stands in a write to its full pipe: "S" in its state, and no end.
  wait_until([] {
    const auto heads = processes_with(std::string("head\0-c\0", 8) + "10000000");
    if (heads.size() != 1) return false;
    std::ifstream file("/proc/" + std::to_string(heads[0]) + "/wchan");
    std::string where;
    file >> where;
    return where.find("pipe") != std::string::npos || where == "0";
  });
  CHECK(!finished);
  CHECK(err.text.empty());
  out.blocked = false;
  out.changed.notify_all();
  wait_until([&] { return finished; });
  CHECK(out.bytes == 10'000'000);
  CHECK(err.text == "done\n");
}

TEST_CASE_METHOD(ExecFixture, "exec: a terminal has its size, follows it, and is the controlling one") {
  ExecSpec spec =
      shell("stty size; trap 'stty size; exit 3' WINCH; echo ready; read line; while :; do sleep 0.01; done");
  spec.terminal = agentd::TerminalSize{.cols = 101, .rows = 37};
  ExecStreams streams{
      .in = std::make_unique<MemorySource>(loop, std::deque<std::string>{"\n"}, MemorySource::End::never),
      .out = std::make_unique<MemorySink>(out)};
  auto foreground = get(execs->start_foreground(spec, std::move(streams)));
  wait_until([this] { return out.text.find("ready") != std::string::npos; });
  CHECK(out.text.find("37 101") != std::string::npos);
  REQUIRE(foreground->exec()->resize({.cols = 90, .rows = 20}));
  loop.block_on(foreground->finish());
  CHECK(foreground->exec()->state().exit_code == 3);
  CHECK(out.text.find("20 90") != std::string::npos);
  CHECK(out.ended);
  CHECK(foreground->exec()->resize({.cols = 90, .rows = 20}).error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(ExecFixture, "exec: Ctrl-C and Ctrl-D reach the terminal's program") {
  ExecSpec spec = shell("trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.01; done");
  spec.terminal = agentd::TerminalSize{};
  SECTION("as a key") {
    run(spec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"\x03"}, MemorySource::End::never));
  }
  SECTION("as a signal to the foreground group") {
    ExecStreams streams{.out = std::make_unique<MemorySink>(out)};
    auto foreground = get(execs->start_foreground(spec, std::move(streams)));
    wait_until([this] { return out.text.find("ready") != std::string::npos; });
    REQUIRE(foreground->exec()->signal(SIGINT, agentd::shim::Target::group));
    loop.block_on(foreground->finish());
    CHECK(out.text.find("interrupted") != std::string::npos);
    CHECK(foreground->exec()->state().exit_code == 4);
  }
  SECTION("the end of input") {
    spec.argv = {"/bin/cat"};
    const auto exec = run(spec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"line\n"}));
    CHECK(exec->state().exit_code == 0);
    CHECK(out.text.find("line") != std::string::npos);
  }
}

TEST_CASE_METHOD(ExecFixture, "exec: resource limits hold") {
  ExecSpec spec = shell("ulimit -n; ulimit -c");
  spec.limits = {{.resource = RLIMIT_NOFILE, .soft = 77, .hard = 77}, {.resource = RLIMIT_CORE, .soft = 0, .hard = 0}};
  run(spec);
  CHECK(out.text == "77\n0\n");
}

TEST_CASE_METHOD(ExecFixture, "exec: another user is taken on completely") {
  if (geteuid() != 0) return;
  ExecSpec spec =
      shell("id -u; id -g; id -G; echo again > /dev/stdout; cat < /dev/stdin; grep -h ^CapEff /proc/self/status");
  spec.user = {.name = "somebody", .uid = 2001, .gid = 2002, .groups = {2002, 2003}};
  run(spec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"input\n"}));
  CHECK(out.text == "2001\n2002\n2002 2003\nagain\ninput\nCapEff:\t0000000000000000\n");
  CHECK(err.text.empty());

  spec.terminal = agentd::TerminalSize{};
  spec.argv = {"/bin/sh", "-c", "tty >/dev/null && echo yes > /dev/tty && stat -L -c %u /dev/stdin"};
  run(spec);
  CHECK(out.text == "yes\r\n2001\r\n");
}

TEST_CASE_METHOD(ExecFixture, "exec: 1 GiB through cat in flat memory", "[.bulk]") {
  out.keep = false;
  const auto started = std::chrono::steady_clock::now();
  run(shell("exec cat"), std::make_unique<RepeatingSource>(std::string(65536, 'z'), 16384));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  CHECK(out.bytes == 1U << 30U);
  std::ifstream status("/proc/self/status");
  std::string word;
  std::size_t peak_kb = 0;
  while (status >> word) {
    if (word == "VmHWM:") status >> peak_kb;
  }
  WARN("1 GiB through cat: " << took.count() << " s, peak " << peak_kb << " kB");
#if !__has_feature(address_sanitizer)  // which keeps freed memory for a while
  CHECK(peak_kb < 64'000);
#endif
}

TEST_CASE_METHOD(ExecFixture, "exec: 1,000 in a row leave nothing behind") {
  run(shell("true"));
  wait_until([this] { return execs->running() == 0; });
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 1000; ++i) REQUIRE(run(shell("exit 5"))->state().exit_code == 5);
  wait_until([this] { return execs->running() == 0; });
  loop.run_until_idle();
  CHECK(open_descriptors() == before);
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(std::filesystem::is_empty(options.directory));
  CHECK(execs->list().size() == 1000);
}

}  // namespace
}  // namespace swarm::tests
