// What the resumable session adds to the stream below it: the same bytes through the same reader and writer, over a
// bare socket pair and over a session on a socket pair, in turns of the same run. Both ends live in this process, on
// one loop, so one core does the work of both.

#include <malloc.h>

#include <cstdio>
#include <ctime>

#include "protocol/async/task_set.hpp"
#include "protocol/transport/unix.hpp"
#include "protocol/wire/session.hpp"
#include "tests/bench/report.hpp"

using namespace swarm;

namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10U;
constexpr std::uint64_t kBytes = std::uint64_t{512} << 20U;
constexpr int kTurns = 8;
constexpr int kRoundTrips = 20'000;
constexpr std::size_t kMessage = 64;

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "session_bench: %s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + (static_cast<double>(t.tv_nsec) / 1e9);
}

async::Task<> write_out(transport::Stream& stream, std::uint64_t total) {
  const std::vector<std::byte> piece(kPiece, std::byte{42});
  for (std::uint64_t sent = 0; sent < total; sent += piece.size()) {
    must(co_await transport::write_all(stream, piece));
  }
}

async::Task<> read_in(transport::Stream& stream, std::uint64_t total) {
  std::vector<std::byte> buffer(2 * kPiece);
  for (std::uint64_t got = 0; got < total;) got += must(co_await stream.read(buffer));
}

async::Task<> echo(transport::Stream& stream) {
  std::array<std::byte, kMessage> message{};
  for (int i = 0; i < kRoundTrips; ++i) {
    must(co_await transport::read_exactly(stream, message));
    must(co_await transport::write_all(stream, message));
  }
}

async::Task<> ask(transport::Stream& stream, const Clock& clock, bench::Samples& samples) {
  std::array<std::byte, kMessage> message{};
  for (int i = 0; i < kRoundTrips; ++i) {
    const MonoTime start = clock.now();
    must(co_await transport::write_all(stream, message));
    must(co_await transport::read_exactly(stream, message));
    samples.add(clock.now() - start);
  }
}

struct Speed {
  double gigabytes_a_second = 0;
  double cpu_a_gigabyte = 0;
};

struct Bench {
  SystemClock clock;
  async::Loop loop{clock};
  SystemRandom random;
  wire::SessionBudget budget{loop, std::size_t{64} << 20U};
  std::unique_ptr<transport::Stream> bare_left;
  std::unique_ptr<transport::Stream> bare_right;
  std::unique_ptr<wire::Session> left;
  std::unique_ptr<wire::Session> right;

  Bench() {
    const wire::SessionId id = wire::SessionId::make(random);
    left = std::make_unique<wire::Session>(loop, id, wire::SessionOptions{}, budget);
    right = std::make_unique<wire::Session>(loop, id, wire::SessionOptions{}, budget);
    auto under = must(transport::socket_pair());
    must(left->attach(std::make_unique<transport::FdStream>(loop, std::move(under.first)), 0));
    must(right->attach(std::make_unique<transport::FdStream>(loop, std::move(under.second)), 0));
    auto bare = must(transport::socket_pair());
    bare_left = std::make_unique<transport::FdStream>(loop, std::move(bare.first));
    bare_right = std::make_unique<transport::FdStream>(loop, std::move(bare.second));
  }

  Speed throughput(transport::Stream& from, transport::Stream& to) {
    const MonoTime start = clock.now();
    const double cpu = cpu_seconds();
    async::TaskSet tasks(loop);
    tasks.spawn(write_out(from, kBytes));
    loop.block_on(read_in(to, kBytes));
    loop.block_on(tasks.join());
    const double gigabytes = static_cast<double>(kBytes) / 1e9;
    return {.gigabytes_a_second = gigabytes / (static_cast<double>((clock.now() - start).count()) / 1e9),
            .cpu_a_gigabyte = (cpu_seconds() - cpu) / gigabytes};
  }

  void latency(transport::Stream& from, transport::Stream& to, bench::Samples& samples) {
    async::TaskSet tasks(loop);
    tasks.spawn(echo(to));
    loop.block_on(ask(from, clock, samples));
    loop.block_on(tasks.join());
  }
};

async::Task<> wait_for_bytes(transport::Stream& stream, std::size_t size) {
  std::vector<std::byte> buffer(size);
  const Result<std::size_t> got = co_await stream.read(buffer);
  static_cast<void>(got);  // it is dropped while it waits
}

/// What one more idle end costs, its waiting reader included: heap bytes, not the kernel's buffers.
template <class Make>
double idle_bytes(async::Loop& loop, Make make) {
  constexpr int kEnds = 200;
  std::vector<std::unique_ptr<transport::Stream>> ends;
  async::TaskSet readers(loop);
  ends.reserve(kEnds);
  const std::size_t before = mallinfo2().uordblks;
  for (int i = 0; i < kEnds; i += 2) {
    auto pair = must(transport::socket_pair());
    ends.push_back(make(std::move(pair.first)));
    ends.push_back(make(std::move(pair.second)));
    for (std::size_t end = 1; end <= 2; ++end) readers.spawn(wait_for_bytes(*ends[ends.size() - end], 1));
  }
  for (int i = 0; i < 50; ++i) loop.run_until_idle();
  const double each = static_cast<double>(mallinfo2().uordblks - before) / kEnds;
  readers.cancel_all();
  return each;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::string json = bench::json_path_from(argc, argv);
  Bench bench;
  bench::Report report;
  std::array<std::vector<double>, 2> speed;
  std::array<std::vector<double>, 2> cpu;
  for (int turn = 0; turn < kTurns; ++turn) {
    const Speed ours = bench.throughput(*bench.left, *bench.right);
    const Speed theirs = bench.throughput(*bench.bare_left, *bench.bare_right);
    speed[0].push_back(ours.gigabytes_a_second);
    speed[1].push_back(theirs.gigabytes_a_second);
    cpu[0].push_back(ours.cpu_a_gigabyte);
    cpu[1].push_back(theirs.cpu_a_gigabyte);
  }
  report.add(
      {"session throughput, both ends on one core", median(speed[0]), "GB/s", "bare socket pair", median(speed[1])});
  report.add({"session CPU, both ends", median(cpu[0]), "s/GB", "bare socket pair", median(cpu[1])});
  bench::Samples ours;
  bench::Samples theirs;
  for (int turn = 0; turn < 3; ++turn) {
    bench.latency(*bench.left, *bench.right, ours);
    bench.latency(*bench.bare_left, *bench.bare_right, theirs);
  }
  report.add_latency("session round trip, 64 bytes", ours, "bare socket pair", theirs);
  const double idle_session = idle_bytes(bench.loop, [&bench](UniqueFd fd) {
    auto session = std::make_unique<wire::Session>(bench.loop, bench.left->id(), wire::SessionOptions{}, bench.budget);
    must(session->attach(std::make_unique<transport::FdStream>(bench.loop, std::move(fd)), 0));
    return session;
  });
  const double idle_bare = idle_bytes(
      bench.loop, [&bench](UniqueFd fd) { return std::make_unique<transport::FdStream>(bench.loop, std::move(fd)); });
  report.add({"idle session", idle_session, "bytes", "bare stream", idle_bare});
  if (!json.empty()) must(report.write_json(json));
  return 0;
}
