#include "tests/unit/agentd/exec/fixture.hpp"

namespace swarm::tests {
namespace {

/// Writes lines "0\n", "1\n", ... without end, as fast as somebody lets it.
const std::string kCounter = "i=0; while :; do echo $i; i=$((i+1)); done";

/// The text that `kCounter` has written from `offset` on, `size` bytes of it.
std::string counted(std::uint64_t offset, std::size_t size) {
  std::string text;
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; text.size() < size; ++i) {
    const std::string line = std::to_string(i) + "\n";
    for (const char c : line) {
      if (at++ >= offset && text.size() < size) text.push_back(c);
    }
  }
  return text;
}

class BackgroundFixture : public ExecFixture {
 public:
  std::shared_ptr<Exec> start(ExecSpec spec) { return get(execs->start_background(std::move(spec))); }

  /// What is there from `from` on, or all until its end.
  std::string output(const std::shared_ptr<Exec>& exec, Output which, std::uint64_t from, Execs::Follow follow) {
    Received got(loop);
    get(execs->send_output(exec, which, from, follow, std::make_unique<MemorySink>(got)));
    CHECK(got.ended);
    return got.text;
  }
};

TEST_CASE_METHOD(BackgroundFixture, "background: output is kept, exact and can be read again") {
  const auto exec = start(shell("echo one; echo two >&2; exit 3"));
  CHECK(exec->state().pid > 0);
  CHECK(output(exec, Output::out, 0, Execs::Follow::yes) == "one\n");
  CHECK(output(exec, Output::out, 0, Execs::Follow::yes) == "one\n");
  CHECK(output(exec, Output::out, 2, Execs::Follow::no) == "e\n");
  CHECK(output(exec, Output::err, 0, Execs::Follow::yes) == "two\n");
  wait_until([&] { return exec->gone(); });
  CHECK(exec->state().exit_code == 3);
  CHECK(output(exec, Output::err, 0, Execs::Follow::yes) == "two\n");
}

TEST_CASE_METHOD(BackgroundFixture, "background: it goes on without agentd, and offsets stay exact") {
  options.spool_bytes = 1U << 20U;
  start_agentd();
  auto exec = start(shell(kCounter));
  const std::string id = exec->id();
  const pid_t pid = exec->state().pid;
  wait_until([&] { return exec->extent(Output::out).end > 1000; });
  std::uint64_t reached = 0;
  for (int round = 0; round < 3; ++round) {
    exec.reset();
    start_agentd();
    const auto found = execs->find(id);
    REQUIRE(found);
    exec = *found;
    CHECK(exec->state().phase == agentd::shim::Phase::running);
    CHECK(exec->state().pid == pid);
    CHECK(exec->about().argv == std::vector<std::string>{"/bin/sh", "-c", kCounter});
    wait_until([&] { return exec->extent(Output::out).end > reached + 50'000; });
    // Without gap and without repeat: every byte is the one that belongs to its offset.
    const std::uint64_t from = std::max(reached, exec->extent(Output::out).first);
    CHECK(from == reached);
    const std::string text = output(exec, Output::out, from, Execs::Follow::no);
    CHECK(text == counted(from, text.size()));
    reached = from + text.size();
  }
  exec->kill(0ms);
  wait_until([&] { return exec->gone(); });
  CHECK(exec->state().signal == SIGKILL);
  const std::string rest = output(exec, Output::out, reached, Execs::Follow::yes);
  CHECK(rest == counted(reached, rest.size()));
}

TEST_CASE_METHOD(BackgroundFixture, "background: an end without agentd is found by the next") {
  auto exec = start(shell("while [ ! -e " + (directory / "go") + " ]; do sleep 0.01; done; echo bye; exit 11"));
  const std::string id = exec->id();
  exec.reset();
  execs.reset();
  loop.run_until_idle();
  std::ofstream(directory / "go") << "";
  int status = 0;
  REQUIRE(waitpid(-1, &status, 0) > 0);  // the shim; its program is its own child
  start_agentd();
  const auto found = execs->find(id);
  REQUIRE(found);
  CHECK((*found)->gone());
  CHECK(!(*found)->lost());
  CHECK((*found)->state().exit_code == 11);
  CHECK(output(*found, Output::out, 0, Execs::Follow::yes) == "bye\n");
}

TEST_CASE_METHOD(BackgroundFixture, "background: the oldest output goes, and who is too slow is told") {
  options.spool_bytes = 4096;
  start_agentd();
  const auto exec = start(shell("head -c 100000 /dev/zero | tr '\\0' x; echo end"));
  wait_until([&] { return exec->gone(); });
  CHECK(exec->extent(Output::out).end == 100'004);
  CHECK(exec->extent(Output::out).first == 100'004 - 4096);
  const std::string text = output(exec, Output::out, 100'004 - 4096, Execs::Follow::yes);
  CHECK(text == std::string(4092, 'x') + "end\n");
  Received got(loop);
  const auto late =
      loop.block_on(execs->send_output(exec, Output::out, 5, Execs::Follow::yes, std::make_unique<MemorySink>(got)));
  REQUIRE(!late);
  CHECK(late.error().code == Code::out_of_range);
  CHECK(got.error.has_value());
}

TEST_CASE_METHOD(BackgroundFixture, "background: a follower gets output as it comes") {
  const auto exec = start(shell("for i in 1 2 3; do echo $i; sleep 0.05; done"));
  CHECK(output(exec, Output::out, 0, Execs::Follow::yes) == "1\n2\n3\n");
}

TEST_CASE_METHOD(BackgroundFixture, "background: input by one client after the other, then its end") {
  ExecSpec spec = shell("while read line; do echo got $line; done; echo end");
  spec.input_from = agentd::Input::stream;
  auto exec = start(spec);
  const std::string id = exec->id();
  using End = MemorySource::End;
  get(execs->send_input(exec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"a\n"}, End::broken)));
  exec.reset();
  start_agentd();  // the input stays open without any agentd
  exec = *execs->find(id);
  async::TaskSet tasks(loop);
  struct Hold {
    static async::Task<> run(Execs& execs, std::shared_ptr<Exec> exec, std::unique_ptr<wire::ByteSource> source) {
      const auto ignored = co_await execs.send_input(exec, std::move(source));
      static_cast<void>(ignored);
    }
  };
  tasks.spawn(
      Hold::run(*execs, exec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"b\n"}, End::never)));
  wait_until([&] { return exec->extent(Output::out).end == 12; });
  const auto second = loop.block_on(
      execs->send_input(exec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"x\n"}, End::clean)));
  REQUIRE(!second);
  CHECK(second.error().code == Code::failed_precondition);
  tasks.cancel_all();
  get(execs->send_input(exec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"c\n"}, End::clean)));
  CHECK(output(exec, Output::out, 0, Execs::Follow::yes) == "got a\ngot b\ngot c\nend\n");
  const auto after = loop.block_on(
      execs->send_input(exec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"x\n"}, End::clean)));
  CHECK(after.error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(BackgroundFixture, "background: without input it says so") {
  const auto exec = start(shell("sleep 1000"));
  const auto given =
      loop.block_on(execs->send_input(exec, std::make_unique<MemorySource>(loop, std::deque<std::string>{})));
  REQUIRE(!given);
  CHECK(given.error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(BackgroundFixture, "background: a terminal outlives agentd, with input and resize") {
  ExecSpec spec = shell("stty -echo; echo ready; read a; echo got $a; stty size; read b");
  spec.terminal = agentd::TerminalSize{.cols = 61, .rows = 21};
  auto exec = start(spec);
  const std::string id = exec->id();
  wait_until([&] { return exec->extent(Output::out).end == 7; });
  exec.reset();
  start_agentd();
  exec = *execs->find(id);
  REQUIRE(exec->resize({.cols = 62, .rows = 22}));
  get(execs->send_input(
      exec, std::make_unique<MemorySource>(loop, std::deque<std::string>{"hello\n"}, MemorySource::End::broken)));
  const std::string expected = "ready\r\ngot hello\r\n22 62\r\n";
  wait_until([&] { return exec->extent(Output::out).end == expected.size(); });
  CHECK(output(exec, Output::out, 0, Execs::Follow::no) == expected);
}

TEST_CASE_METHOD(BackgroundFixture, "background: descendants outlive the program and end by kill") {
  const auto exec = start(shell("(setsid sh -c 'echo child $$; exec sleep 7654321' &) ; echo parent"));
  wait_until([&] { return exec->ended(); });
  CHECK(exec->state().exit_code == 0);
  CHECK(!exec->gone());
  wait_until([&] { return exec->extent(Output::out).end > 8; });
  exec->kill(100ms);
  wait_until([&] { return exec->gone(); });
  CHECK(processes_with("7654321").empty());
  CHECK(exec->state().killed == 0);  // the program itself had ended well before
}

TEST_CASE_METHOD(BackgroundFixture, "background: a timeout holds without agentd") {
  ExecSpec spec = shell("sleep 1000");
  spec.timeout = 200ms;
  auto exec = start(spec);
  const std::string id = exec->id();
  exec.reset();
  execs.reset();
  loop.run_until_idle();
  REQUIRE(waitpid(-1, nullptr, 0) > 0);
  start_agentd();
  exec = *execs->find(id);
  CHECK(exec->state().timed_out == 1);
  CHECK(exec->state().signal == SIGTERM);
}

TEST_CASE_METHOD(BackgroundFixture, "background: a killed supervisor is a lost exec") {
  auto exec = start(shell("exec sleep 1000"));
  const std::string id = exec->id();
  const pid_t program = exec->state().pid;
  const pid_t shim = parent_of(program);
  exec.reset();
  execs.reset();
  loop.run_until_idle();
  REQUIRE(kill(shim, SIGKILL) == 0);
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  start_agentd();
  exec = *execs->find(id);
  CHECK(exec->lost());
}

TEST_CASE_METHOD(BackgroundFixture, "background: a start that fails leaves nothing") {
  ExecSpec spec = shell("");
  spec.argv = {"/no/such/program"};
  const auto result = loop.block_on(execs->start_background(spec));
  REQUIRE(!result);
  CHECK(result.error().code == Code::not_found);
  wait_until([this] { return execs->running() == 0; });
  CHECK(std::filesystem::is_empty(options.directory));
  CHECK(execs->list().empty());
}

TEST_CASE_METHOD(BackgroundFixture, "background: directories are private, bounded, and broken ones are cleared") {
  options.kept = 2;
  std::filesystem::create_directories(options.directory + "/prc_half/made");
  start_agentd();
  CHECK(std::filesystem::is_empty(options.directory));
  std::string last;
  for (int i = 0; i < 4; ++i) {
    const auto exec = start(shell("echo " + std::to_string(i)));
    last = exec->id();
    wait_until([&] { return exec->gone(); });
  }
  wait_until([this] { return execs->running() == 0; });
  CHECK(std::distance(std::filesystem::directory_iterator(options.directory), {}) == 2);
  CHECK(execs->list().size() == 4);
  struct stat info{};
  for (const auto& path : {options.directory, options.directory + "/" + last}) {
    REQUIRE(stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0700U);
  }
  CHECK(output(*execs->find(last), Output::out, 0, Execs::Follow::yes) == "3\n");
}

TEST_CASE("whatever many programs keep of their output fits") {
  constexpr std::uint64_t kMiB = 1U << 20U;
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t total = 64 * kMiB;
  CHECK(agentd::spool_share(total, 1, kMiB) == kMiB);
  CHECK(agentd::spool_share(total, 100'000, kMiB) == kPage);
  CHECK(agentd::spool_share(total, 1, 1000) == 1000);
  std::uint64_t sum = 0;
  for (std::size_t n = 1; n <= 1000; ++n) sum += 2 * agentd::spool_share(total, n, kMiB);
  CHECK(sum < total / 4 * 3);
}

}  // namespace
}  // namespace swarm::tests
