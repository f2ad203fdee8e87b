// The tunnel under full-speed traffic in both directions while its line is cut at random bytes: in the handshake,
// inside records, in acknowledgements. Every byte has to arrive once and in order.
//
//   SWARM_SEED=N   repeats a run      SWARM_CUTS=N   cuts in all (1,000 in the soak)

#include <catch2/catch.hpp>
#include <cstdlib>

#include "protocol/wire/tunnel_acceptor.hpp"
#include "protocol/wire/tunnel_dialer.hpp"
#include "tests/fixtures/cutting_stream.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::async;
using namespace swarm::wire;
using namespace std::chrono_literals;
using tests::CutMode;
using tests::LoopFixture;

namespace {

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// An endless text of random bytes: any piece that is missing, doubled or moved shows.
class Text {
 public:
  explicit Text(std::uint64_t seed) : block_(1'000'003) { SeededRandom(seed).fill(block_); }

  /// The bytes at `offset`, at most `most`.
  [[nodiscard]] std::span<const std::byte> at(std::uint64_t offset, std::size_t most) const {
    const auto start = static_cast<std::size_t>(offset % block_.size());
    return std::span(block_).subspan(start, std::min(most, block_.size() - start));
  }

 private:
  std::vector<std::byte> block_;
};

struct Harness {
  Loop& loop;
  SeededRandom random;
  std::uint64_t cuts_wanted;
  std::uint64_t lines = 0;
  std::deque<std::unique_ptr<transport::Stream>> waiting;
  std::shared_ptr<tests::Line> current;
  Condition arrived;
  Text to_acceptor;
  Text to_dialer;
  std::string failure;

  Harness(Loop& l, std::uint64_t seed, std::uint64_t cuts)
      : loop(l), random(seed), cuts_wanted(cuts), arrived(l), to_acceptor(seed + 1), to_dialer(seed + 2) {}

  [[nodiscard]] bool cutting() const { return lines <= cuts_wanted; }

  std::uint64_t next_length() {
    if (++lines == 1) return 2'000 + random.below(100'000);  // the first handshake is left alone
    if (!cutting()) return UINT64_MAX;
    switch (random.below(4)) {
      case 0:
        return 1 + random.below(300);  // in the handshake, mostly
      case 1:
        return 200 + random.below(20'000);
      default:
        return 200 + random.below(2'000'000);
    }
  }

  Task<Result<std::unique_ptr<transport::Stream>>> dial() {
    const std::uint64_t length = next_length();
    auto ends = tests::make_line(loop, static_cast<CutMode>(random.below(4)), length);
    current = ends.line;
    waiting.push_back(std::move(ends.second));
    arrived.notify_one();
    co_return std::move(ends.first);
  }

  Task<Result<std::unique_ptr<transport::Stream>>> accept() {
    while (waiting.empty()) co_await arrived.wait();
    auto stream = std::move(waiting.front());
    waiting.pop_front();
    co_return std::move(stream);
  }

  void note(const std::string& what) {
    if (failure.empty()) failure = what;
  }
};

/// Writes until the last cut has happened, in pieces of any size; then ends. Gives how much that was.
Task<Result<std::uint64_t>> send_text(Harness& harness, Session& session, const Text& text) {
  std::uint64_t sent = 0;
  while (harness.cutting()) {
    const auto piece = text.at(sent, 1 + harness.random.below(harness.random.below(2) == 0 ? 200 : 100'000));
    const Result<void> written = co_await transport::write_all(session, piece);
    if (!written) co_return fail(written.error(), "write");
    sent += piece.size();
  }
  session.shutdown_write();
  const Result<void> flushed = co_await session.flushed();
  if (!flushed) co_return fail(flushed.error(), "flush");
  co_return sent;
}

Task<Result<std::uint64_t>> check_text(Harness& harness, Session& session, const Text& text) {
  std::uint64_t received = 0;
  std::vector<std::byte> buffer(200'000);
  for (;;) {
    const auto size = 1 + harness.random.below(harness.random.below(4) == 0 ? 100 : buffer.size());
    const Result<std::size_t> got = co_await session.read(std::span(buffer).first(size));
    if (!got) co_return fail(got.error(), "read");
    if (*got == 0) co_return received;
    for (std::size_t done = 0; done < *got;) {
      const auto expected = text.at(received, *got - done);
      if (std::memcmp(buffer.data() + done, expected.data(), expected.size()) != 0) {
        co_return fail(Code::internal, "wrong bytes behind offset " + std::to_string(received));
      }
      done += expected.size();
      received += expected.size();
    }
    if (harness.random.below(64) == 0) co_await harness.loop.yield();
  }
}

struct Directions {
  std::uint64_t out = 0;
  std::uint64_t in = 0;
};

Task<> run_one(Harness& harness, Task<Result<std::uint64_t>> work, std::string name, std::uint64_t& into, int& left,
               Event& done) {
  const Result<std::uint64_t> result = co_await std::move(work);
  if (result) {
    into = *result;
  } else {
    harness.note(name + ": " + result.error().to_string());
  }
  if (--left == 0 || !result) done.set();
}

Task<Result<SessionStats>> run_harness(Harness& harness, TunnelDialer& dialer, TunnelAcceptor& acceptor) {
  Result<Tunnel> near = co_await dialer.connect(10s);
  if (!near) co_return fail(near.error());
  const Tunnel far = co_await acceptor.next();
  Directions dialer_side;
  Directions acceptor_side;
  int left = 4;
  Event done(harness.loop);
  TaskSet tasks(harness.loop);
  Session& n = *near->session;
  Session& f = *far.session;
  tasks.spawn(run_one(harness, send_text(harness, n, harness.to_acceptor), "dialer", dialer_side.out, left, done));
  tasks.spawn(run_one(harness, send_text(harness, f, harness.to_dialer), "acceptor", acceptor_side.out, left, done));
  tasks.spawn(run_one(harness, check_text(harness, n, harness.to_dialer), "dialer", dialer_side.in, left, done));
  tasks.spawn(run_one(harness, check_text(harness, f, harness.to_acceptor), "acceptor", acceptor_side.in, left, done));
  co_await done.wait();
  if (!harness.failure.empty()) co_return fail(Code::internal, harness.failure);
  if (dialer_side.out != acceptor_side.in || acceptor_side.out != dialer_side.in) {
    co_return fail(Code::internal, "bytes are missing at the end");
  }
  co_return n.stats();
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a tunnel cut at random bytes carries every byte once, in order, both ways", "[cut]") {
  const std::uint64_t seed = number_from_environment("SWARM_SEED", SystemRandom().next() % 1'000'000'000);
  const std::uint64_t cuts = number_from_environment("SWARM_CUTS", 50);
  INFO("repeat with SWARM_SEED=" << seed << " SWARM_CUTS=" << cuts);
  std::fprintf(stderr, "cut harness: seed %llu, %llu cuts\n", static_cast<unsigned long long>(seed),  // NOLINT
               static_cast<unsigned long long>(cuts));                                                // NOLINT

  Harness harness(loop, seed, cuts);
  SeededRandom options_random(seed + 3);
  const SessionOptions session{
      .max_unacknowledged_bytes = std::size_t{4096} << options_random.below(9),
      .guaranteed_bytes = std::size_t{1024} << options_random.below(5),
      .max_window_bytes = kInitialWindow << options_random.below(5),
      .ack_delay = 2ms,
      .ping_interval = 1s,
      .ping_timeout = 1s,
  };
  SessionBudget budget(loop, std::size_t{16384} << options_random.below(8));
  const TunnelSecret secret = TunnelSecret::make(options_random);
  const auto identity = [&] {
    return HandshakeIdentity{.secret = secret.copy(), .sandbox_id = "s1", .version = {0, 1, 0}, .features = {"a"}};
  };
  TunnelAcceptor acceptor(
      loop, [&] { return harness.accept(); }, {.identity = identity(), .session = session}, options_random, budget);
  TunnelDialer dialer(
      loop, [&] { return harness.dial(); },
      {.identity = identity(), .session = session, .backoff = {.first = 100us, .most = 2ms}}, options_random, budget);
  auto work = run_harness(harness, dialer, acceptor);
  const auto limit = 60s + cuts * 200ms;
  const Result<SessionStats> stats = loop.block_on(with_timeout(loop, std::move(work), limit, "cut harness"));
  INFO((stats ? std::string() : stats.error().to_string()));
  REQUIRE(stats);
  CHECK(harness.lines > cuts);
  std::fprintf(stderr, "cut harness: %.1f MB out, %.1f MB in, %.1f MB again, %llu streams\n",  // NOLINT
               static_cast<double>(stats->written_bytes) / 1e6, static_cast<double>(stats->received_bytes) / 1e6,
               static_cast<double>(stats->resent_bytes) / 1e6,
               static_cast<unsigned long long>(stats->streams));  // NOLINT
  loop.run_until_idle();
  CHECK(budget.used() == 0);
}
