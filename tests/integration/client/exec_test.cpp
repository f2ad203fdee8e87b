#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include "protocol/core/random.hpp"
#include "tests/integration/client/rig.hpp"

namespace swarm::tests {
namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

struct ExecRig : ClientRig {
  ExecRig() { daemon.add("web"); }

  /// A swarmctl that is running.
  struct Running {
    std::unique_ptr<async::Process> process;
    UniqueFd output;
  };
  Running begin(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {SWARM_BIN_DIR "/swarmctl", "--socket", daemon.socket()});
    std::array<int, 2> fds{};
    REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0);
    const UniqueFd write(fds[1]);
    async::SpawnOptions options{.argv = std::move(arguments), .env = environment(), .fds = {{1, fds[1]}}};
    auto process = async::Process::spawn(loop, options);
    REQUIRE(process);
    return {.process = std::move(*process), .output = UniqueFd(fds[0])};
  }
  static async::Task<Result<async::ExitStatus>> end(async::Process& process) {
    const async::ExitStatus status = co_await process.wait();
    co_return status;
  }
  async::ExitStatus wait(Running& running) {
    const auto status =
        loop.block_on(async::with_timeout(loop, end(*running.process), std::chrono::seconds(30), "swarmctl"));
    REQUIRE(status);
    return *status;
  }
  static async::Task<Result<bool>> read_until(async::Loop& loop, int fd, std::string text) {
    async::Fd stream(loop, UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)));
    std::string seen;
    std::array<std::byte, 4096> buffer{};
    while (seen.find(text) == std::string::npos) {
      const Result<std::size_t> size = co_await stream.read(buffer);
      if (!size || *size == 0) co_return false;
      seen.append(reinterpret_cast<const char*>(buffer.data()), *size);  // NOLINT
    }
    co_return true;
  }
  void expect(Running& running, const std::string& text) {
    const auto seen = loop.block_on(
        async::with_timeout(loop, read_until(loop, running.output.get(), text), std::chrono::seconds(30), text));
    REQUIRE(seen);
    REQUIRE(*seen);
  }
};

TEST_CASE_METHOD(ExecRig, "exec keeps output, error output and exit status apart") {
  Ran ran = run({"exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"});
  CHECK(ran.out == "out\n");
  CHECK(ran.err == "err\n");
  CHECK(ran.status == 7);
  CHECK(run({"exec", "web", "true"}).status == 0);
  CHECK(run({"exec", "--shell", "web", "kill -9 $$"}).status == 137);
  ran = run({"exec", "-e", "A=1 2", "-w", "/tmp", "web", "--", "sh", "-c", "echo $A; pwd"});
  CHECK(ran.out == "1 2\n/tmp\n");
}

TEST_CASE_METHOD(ExecRig, "our own failures are 125 to 127") {
  CHECK(run({"exec", "nope", "--", "true"}).status == 125);
  CHECK(run({"exec", "web", "--", "/no/such/program"}).status == 127);
  CHECK(run({"exec", "web", "--", "/etc/passwd"}).status == 126);
  CHECK(run({"exec", "web"}).status == 125);
  CHECK(run({"exec", "-t", "web", "--", "true"}).status == 125);
  CHECK(run({"exec", "--timeout", "soon", "web", "--", "true"}).status == 125);
}

TEST_CASE_METHOD(ExecRig, "input of any size comes back unchanged") {
  std::string bytes(5'000'000, '\0');
  SeededRandom random(1);
  random.fill(std::as_writable_bytes(std::span(bytes)));
  const Ran ran = run({"exec", "web", "--", "cat"}, bytes);
  CHECK(ran.status == 0);
  CHECK((ran.out == bytes));
  CHECK(run({"exec", "-n", "web", "--", "cat"}, "unread").out.empty());
}

TEST_CASE_METHOD(ExecRig, "--json captures, --rm removes") {
  Ran ran = run({"--json", "exec", "web", "--", "sh", "-c", "echo hi; exit 3"});
  CHECK(ran.status == 3);
  CHECK(has(ran.out, R"("stdout":"hi\n")"));
  CHECK(has(run({"--json", "exec", "web", "--", "cat"}, "fed").out, R"("stdout":"fed")"));
  ran = run({"exec", "--rm", "--memory", "64MiB", "--", "echo", "fresh"});
  CHECK(ran.out == "fresh\n");
  REQUIRE(daemon.sandboxes().size() == 2);
  CHECK(daemon.sandboxes()[1].state == api::SandboxState::gone);
  CHECK(daemon.created->limits.memory_bytes == std::uint64_t{64} << 20U);
  CHECK(run({"exec", "--rm", "--", "sh", "-c", "exit 9"}).status == 9);
}

TEST_CASE_METHOD(ExecRig, "background programs are listed, read, waited for and ended") {
  Ran ran = run({"exec", "-d", "--shell", "web", "printf 'a\\033[31mb\\n'; exec sleep 100"});
  CHECK(ran.status == 0);
  const std::string id = ran.out.substr(0, ran.out.size() - 1);
  CHECK(has(run({"ps", "web"}).out, id));
  CHECK(has(run({"ps", "web"}).out, "running"));
  ran = run({"ps", "kill", "web", id});
  CHECK(ran.status == 0);
  CHECK(run({"ps", "wait", "web", id}).status == 137);
  CHECK(run({"logs", "web"}).out == "ab\n");
  CHECK(run({"logs", "--raw", "web", id}).out == "a\x1b[31mb\n");
  CHECK(run({"logs", "-f", "web"}).out == "ab\n");
  CHECK(has(run({"ps", "--all", "web"}).out, "signal 9"));
  CHECK(run({"logs", "web", "prc_99"}).status == 4);
  CHECK(run({"ps", "attach", "-n", "web", id}).status == 137);
}

TEST_CASE_METHOD(ExecRig, "signals are passed on, and a second one in a row gives up") {
  Running running =
      begin({"exec", "--shell", "web", "trap 'echo heard; exit 5' INT; echo ready; while :; do sleep 0.01; done"});
  expect(running, "ready");
  REQUIRE(running.process->signal(SIGINT));
  expect(running, "heard");
  CHECK(wait(running).code == 5);
  CHECK(daemon.signals == std::vector<std::string>{"INT"});

  Running stubborn = begin({"exec", "--shell", "web", "trap '' INT; echo ready; exec sleep 1000"});
  expect(stubborn, "ready");
  const std::size_t before = daemon.signals.size();
  REQUIRE(stubborn.process->signal(SIGINT));
  const auto passed = [](async::Loop& on, FakeDaemon& at, std::size_t count) -> async::Task<Result<bool>> {
    while (at.signals.size() <= count) co_await on.yield();
    co_return true;
  };
  REQUIRE(loop.block_on(async::with_timeout(loop, passed(loop, daemon, before), std::chrono::seconds(20), "signal")));
  REQUIRE(stubborn.process->signal(SIGINT));
  CHECK(wait(stubborn).code == 130);
}

TEST_CASE_METHOD(ExecRig, "a daemon that dies under a program is 125, with a sentence") {
  Running running = begin({"exec", "--shell", "web", "echo ready; exec sleep 1000"});
  expect(running, "ready");
  daemon.die();
  CHECK(wait(running).code == 125);
}

TEST_CASE_METHOD(ExecRig, "a reader that goes ends us quietly") {
  Running running = begin({"exec", "web", "--", "yes"});
  expect(running, "y\n");
  running.output.reset();
  const async::ExitStatus status = wait(running);
  CHECK(status.signal == SIGPIPE);
}

TEST_CASE_METHOD(ExecRig, "files and trees are copied either way") {
  const std::string here = directory / "here";
  std::filesystem::create_directories(here + "/sub");
  std::ofstream(here + "/a.txt") << "alpha";
  std::ofstream(here + "/sub/b.txt") << "beta";
  std::filesystem::create_symlink("a.txt", here + "/link");

  CHECK(run({"cp", here + "/a.txt", "web:"}).status == 0);
  CHECK(std::filesystem::exists(daemon.work() + "/a.txt"));
  CHECK(run({"cp", here + "/a.txt", "web:renamed.txt"}).status == 0);
  CHECK(std::filesystem::exists(daemon.work() + "/renamed.txt"));
  CHECK(run({"cp", here, "web:"}).status == 0);
  CHECK(std::filesystem::exists(daemon.work() + "/here/sub/b.txt"));
  CHECK(std::filesystem::is_symlink(daemon.work() + "/here/link"));
  const Ran json = run({"--json", "cp", here, "web:tree"});
  CHECK(has(json.out, R"("files":2)"));
  CHECK(std::filesystem::exists(daemon.work() + "/tree/a.txt"));

  const std::string back = directory / "back";
  CHECK(run({"cp", "web:here", back}).status == 0);
  CHECK(std::filesystem::exists(back + "/sub/b.txt"));
  CHECK(run({"cp", "web:a.txt", back}).status == 0);
  CHECK(std::filesystem::exists(back + "/a.txt"));
  CHECK(run({"cp", "web:a.txt", "-"}).out == "alpha");
  CHECK(run({"cp", "-", "web:piped"}, "from a pipe").status == 0);
  CHECK(run({"cp", "web:piped", "-"}).out == "from a pipe");

  CHECK(run({"cp", "web:none", back}).status == 4);
  CHECK(run({"cp", directory / "none", "web:"}).status == 4);
  CHECK(run({"cp", "a", "b"}).status == 2);
  CHECK(run({"cp", "web:a", "web:b"}).status == 2);
  CHECK(run({"cp", "-", "web:"}, "x").status == 2);
  daemon.refuse("files.upload", fail(Code::permission_denied, "'/etc/x': not allowed for user 1000").error());
  const Ran refused = run({"cp", here + "/a.txt", "web:/etc/x"});
  CHECK(refused.status == 6);
  CHECK(has(refused.err, "not allowed for user 1000"));
  daemon.die_at("files.upload");
  CHECK(run({"cp", here + "/a.txt", "web:b"}).status == 3);
}

}  // namespace
}  // namespace swarm::tests
