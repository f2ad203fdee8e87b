// A hostile peer under a session. Half of the inputs go to the session as they are; the other half are read as a script
// for two honest sessions whose stream is cut, held and resumed at chosen moments.
//
// Promises: no input makes a session hold more than it promised, an ended session has a reason and has given back its
// budget, the split of the input does not matter, and between honest peers every byte arrives once and in order.

#include <cstdio>
#include <cstdlib>

#include "protocol/wire/session.hpp"
#include "tests/fixtures/memory_stream.hpp"

using namespace swarm;
using namespace swarm::wire;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

async::Task<> read_once(Session& session, std::size_t most, std::string& into, std::string& end) {
  std::vector<std::byte> buffer(most);
  const Result<std::size_t> got = co_await session.read(buffer);
  if (!got) {
    end = got.error().to_string();
  } else if (*got == 0) {
    end = "end";
  } else {
    into.append(reinterpret_cast<const char*>(buffer.data()), *got);  // NOLINT: bytes as text
  }
}

void read_some(async::Loop& loop, Session& session, std::size_t most, std::string& into, std::string& end) {
  async::TaskSet scope(loop);
  scope.spawn(read_once(session, most, into, end));
  loop.run_until_idle();
}

struct World {
  FakeClock clock;
  async::Loop loop{clock};
  SeededRandom random{1};
  SessionOptions options{.max_unacknowledged_bytes = 5000, .guaranteed_bytes = 500, .max_window_bytes = 200'000};

  void advance(Duration by) {
    clock.advance(by);
    loop.run_until_idle();
  }
};

/// What a session makes of these bytes when they come in pieces of `piece`.
std::string hostile(std::span<const std::byte> input, std::size_t piece) {
  World world;
  world.options.max_window_bytes = kInitialWindow;  // then what may come is known exactly
  SessionBudget budget(world.loop, 100'000);
  std::string read;
  std::string end;
  {
    Session session(world.loop, SessionId::make(world.random), world.options, budget);
    static_cast<void>(session.try_write(std::as_bytes(std::span("some bytes that wait", 20))).has_value());
    auto pair = tests::memory_pair(world.loop, std::size_t{1} << 22U);
    require(session.attach(std::move(pair.left), 0).has_value(), "a fresh session takes a stream");
    world.loop.run_until_idle();
    while (!input.empty()) {
      const auto taken = pair.right->try_write(input.first(std::min(piece, input.size())));
      if (!taken) break;
      input = input.subspan(*taken);
      world.loop.run_until_idle();
      require(pair.rightward->bytes.size() < (std::size_t{1} << 20U), "answers to a flood are bounded");
    }
    require(session.stats().received_bytes <= kInitialWindow, "no more than the window is taken");
    if (session.ended()) {
      require(!session.ended()->message.empty(), "ended without a reason");
      require(!session.attached(), "an ended session keeps no stream");
    }
    while (end.empty() && session.stats().received_bytes > read.size()) {
      read_some(world.loop, session, 10'000, read, end);
    }
    require(session.stats().received_bytes == read.size(), "everything that came is given out");
    if (session.ended()) end = session.ended()->message;
  }
  require(budget.used() == 0, "the budget comes back");
  return read + "|" + end;
}

/// Two honest sessions; each byte of the script is a step.
void honest(std::span<const std::byte> script) {
  World world;
  SessionBudget budget(world.loop, 4000);
  const SessionId id = SessionId::make(world.random);
  {
    Session left(world.loop, id, world.options, budget);
    Session right(world.loop, id, world.options, budget);
    std::string sent;
    std::string got;
    std::string end;
    char next = 0;
    tests::MemoryPair pair;
    const auto join = [&] {
      left.detach({.code = Code::unavailable, .message = "cut"});
      right.detach({.code = Code::unavailable, .message = "cut"});
      pair = tests::memory_pair(world.loop, 700);
      const std::uint64_t left_has = left.receive_offset();
      require(left.attach(std::move(pair.left), right.receive_offset()).has_value(), "honest peers can resume");
      require(right.attach(std::move(pair.right), left_has).has_value(), "honest peers can resume");
    };
    for (const std::byte step : script.first(std::min<std::size_t>(script.size(), 300))) {
      const unsigned value = std::to_integer<unsigned>(step) >> 3U;
      switch (std::to_integer<unsigned>(step) & 7U) {
        case 0:
          join();
          break;
        case 1:
          if (pair.rightward) pair.cut();
          break;
        case 2:
          if (pair.rightward) pair.rightward->hold(value % 2 == 1);
          break;
        case 3:
          read_some(world.loop, right, 1 + (value * 97), got, end);
          break;
        case 4:
          world.advance(std::chrono::milliseconds(value));
          break;
        case 5:
          if (value == 31) left.shutdown_write();
          break;
        default: {
          std::string text(1 + (value * value * 3), '\0');
          for (char& c : text) c = static_cast<char>(next++ * 7);
          const auto taken = left.try_write(std::as_bytes(std::span(text)));
          const std::size_t kept = taken ? *taken : 0;
          sent += text.substr(0, kept);
          next = static_cast<char>(next - static_cast<char>(text.size() - kept));
          world.loop.run_until_idle();
        }
      }
    }
    join();
    left.shutdown_write();
    for (int i = 0; i < 200 && end.empty(); ++i) {
      read_some(world.loop, right, 100'000, got, end);
      world.advance(std::chrono::milliseconds(30));
    }
    require(end == "end", "honest peers come to a clean end");
    require(got == sent, "every byte once, in order");
  }
  require(budget.used() == 0, "the budget comes back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  if (input.empty()) return 0;
  const auto rest = input.subspan(1);
  if ((data[0] & 1U) != 0) {
    honest(rest);
  } else {
    require(hostile(rest, std::max<std::size_t>(1, data[0] >> 1U)) == hostile(rest, SIZE_MAX), "the split matters");
  }
  return 0;
}
