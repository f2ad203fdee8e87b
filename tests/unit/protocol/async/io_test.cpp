#include <fcntl.h>
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>

#include "protocol/async/blocking.hpp"
#include "protocol/async/file.hpp"
#include "protocol/async/process.hpp"
#include "protocol/async/signals.hpp"
#include "protocol/transport/unix.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::async;
using namespace std::chrono_literals;
using tests::LoopFixture;

namespace {

SpawnOptions shell(std::string script) {
  return {.argv = {"/bin/sh", "-c", std::move(script)}, .env = {"PATH=/usr/bin:/bin"}};
}

Task<Result<std::size_t>> pump(transport::Stream& from, std::size_t expected) {
  std::size_t total = 0;
  std::vector<std::byte> buffer(65536);
  while (total < expected) {
    const Result<std::size_t> got = co_await from.read(buffer);
    if (!got) co_return fail(got.error());
    if (*got == 0) break;
    total += *got;
  }
  co_return total;
}

Task<> send_all(transport::Stream& to, std::size_t size) {
  const std::vector<std::byte> bytes(size);
  const Result<void> sent = co_await transport::write_all(to, bytes);
  REQUIRE(sent.has_value());
  to.shutdown_write();
}

Task<int> throwing_work(Loop& loop) {
  co_return co_await run_blocking(loop, []() -> int { throw std::runtime_error("from the pool"); });
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "work on the thread pool comes back, with its exception too") {
  CHECK(loop.block_on(run_blocking(loop, [] { return 7; })) == 7);
  CHECK_THROWS_WITH(loop.block_on(throwing_work(loop)), "from the pool");
}

TEST_CASE_METHOD(LoopFixture, "dropped thread-pool work runs to its end without us") {
  auto touched = std::make_shared<std::atomic<bool>>(false);
  auto gate = std::make_shared<std::atomic<bool>>(false);
  {
    auto task = with_timeout<int>(
        loop,
        [](Loop& l, auto g, auto t) -> Task<Result<int>> {
          co_await run_blocking(l, [g, t] {
            g->wait(false);
            t->store(true);
          });
          co_return 1;
        }(loop, gate, touched),
        1ms, "slow");
    const Result<int> result = loop.block_on(std::move(task));
    CHECK(result.error().code == Code::deadline_exceeded);
  }
  gate->store(true);
  gate->notify_all();
  loop.run_until_idle();
  CHECK(touched->load());
}

TEST_CASE_METHOD(LoopFixture, "a program's output and exit status are exact") {
  const Result<CommandOutput> done = loop.block_on(run_command(loop, shell("cat; echo err >&2; exit 7"), "hello"));
  REQUIRE(done);
  CHECK(done->out == "hello");
  CHECK(done->err == "err\n");
  CHECK(done->status == ExitStatus{.code = 7});
}

TEST_CASE_METHOD(LoopFixture, "a program killed by a signal says which") {
  const Result<CommandOutput> done = loop.block_on(run_command(loop, shell("kill -TERM $$")));
  REQUIRE(done);
  CHECK(done->status.signal == SIGTERM);
}

TEST_CASE_METHOD(LoopFixture, "a missing program is named") {
  const Result<CommandOutput> done = loop.block_on(run_command(loop, {.argv = {"/no/such/program"}}));
  REQUIRE_FALSE(done);
  CHECK(done.error().message == "start '/no/such/program': No such file or directory");
}

TEST_CASE_METHOD(LoopFixture, "too much output is refused and the program is gone") {
  const Result<CommandOutput> done = loop.block_on(run_command(loop, shell("yes"), {}, 100'000));
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Code::resource_exhausted);
}

TEST_CASE_METHOD(LoopFixture, "a dropped process is killed") {
  pid_t pid = 0;
  {
    const auto process = Process::spawn(loop, shell("exec sleep 1000"));
    REQUIRE(process);
    pid = (*process)->pid();
  }
  loop.block_on(with_timeout<int>(
                    loop,
                    [](Loop& l, pid_t p) -> Task<Result<int>> {
                      while (kill(p, 0) == 0) co_await sleep_for(l, 1ms);
                      co_return 0;
                    }(loop, pid),
                    10s, "reaping"))
      .value();
}

TEST_CASE_METHOD(LoopFixture, "a child gets the descriptors it was given and no others") {
  const UniqueFd leak(open("/dev/null", O_RDONLY));  // deliberately without CLOEXEC
  const Result<CommandOutput> done = loop.block_on(run_command(loop, shell("ls /proc/self/fd | tr '\\n' ' '")));
  REQUIRE(done);
  CHECK(done->out == "0 1 2 3 ");  // 3 is ls's own
}

TEST_CASE_METHOD(LoopFixture, "megabytes through a socket arrive whole, the writer waiting for the reader") {
  auto pair = transport::socket_pair();
  REQUIRE(pair);
  transport::FdStream left(loop, std::move(pair->first));
  transport::FdStream right(loop, std::move(pair->second));
  TaskSet set(loop);
  set.spawn(send_all(left, 10'000'000));
  const Result<std::size_t> got = loop.block_on(pump(right, 10'000'001));
  REQUIRE(got);
  CHECK(*got == 10'000'000);
}

TEST_CASE_METHOD(LoopFixture, "a regular file reads and writes through the same face") {
  std::string path = "/tmp/swarm-io-XXXXXX";
  UniqueFd fd(mkostemp(path.data(), O_CLOEXEC));
  Fd file(loop, std::move(fd));
  const std::string text = "on disk";
  REQUIRE(loop.block_on(file.write(std::as_bytes(std::span(text)))));
  lseek(file.get(), 0, SEEK_SET);
  std::array<std::byte, 64> buffer{};
  const Result<std::size_t> got = loop.block_on(file.read(buffer));
  unlink(path.c_str());
  REQUIRE(got);
  CHECK(*got == text.size());
}

TEST_CASE_METHOD(LoopFixture, "a file is replaced in one step") {
  const std::string path = "/tmp/swarm-atomic-" + std::to_string(getpid());
  REQUIRE(loop.block_on(write_file_atomic(loop, path, "one", 0600, Sync::power)));
  REQUIRE(loop.block_on(write_file_atomic(loop, path, "two", 0600, Sync::none)));
  CHECK(loop.block_on(read_file(loop, path, 100)).value() == "two");
  CHECK(loop.block_on(read_file(loop, path, 2)).error().code == Code::resource_exhausted);
  unlink(path.c_str());
}

TEST_CASE_METHOD(LoopFixture, "a signal is a value that arrives") {
  SignalWatcher usr1(loop, SIGUSR1);
  raise(SIGUSR1);
  loop.block_on(usr1.next());
  SUCCEED("it arrived");
}

TEST_CASE_METHOD(LoopFixture, "listening, connecting and the kernel's word on the peer") {
  const std::string path = "/tmp/swarm-listen-" + std::to_string(getpid());
  auto bound = transport::bind_unix(path, 0600);
  REQUIRE(bound);
  transport::UnixListener listener(loop, std::move(*bound));
  auto client = loop.block_on(transport::connect_unix(loop, path));
  REQUIRE(client);
  auto server = loop.block_on(listener.accept());
  REQUIRE(server);
  REQUIRE((*server)->peer());
  CHECK((*server)->peer()->pid == getpid());
  unlink(path.c_str());
  CHECK(loop.block_on(transport::connect_unix(loop, path)).error().code == Code::not_found);
  CHECK(transport::bind_unix(std::string(200, 'x'), 0600).error().code == Code::invalid_argument);
}
