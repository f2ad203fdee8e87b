#include "protocol/wire/session.hpp"

#include <catch2/catch.hpp>

#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/memory_stream.hpp"

using namespace swarm;
using namespace swarm::async;
using namespace swarm::wire;
using namespace std::chrono_literals;
using tests::MemoryPair;

namespace {

struct SessionFixture : tests::FakeTimeFixture {
  SeededRandom random{1};
  SessionBudget budget{loop, std::size_t{8} << 20U};
  SessionId id = SessionId::make(random);
  SessionOptions options;
  TaskSet tasks{loop};

  std::unique_ptr<Session> make() { return std::make_unique<Session>(loop, id, options, budget); }

  /// Puts both on a new stream, as a handshake would.
  MemoryPair join(Session& left, Session& right, std::size_t capacity = 65536) {
    left.detach({});
    right.detach({});
    MemoryPair pair = tests::memory_pair(loop, capacity);
    const std::uint64_t left_has = left.receive_offset();
    REQUIRE(left.attach(std::move(pair.left), right.receive_offset()));
    REQUIRE(right.attach(std::move(pair.right), left_has));
    loop.run_until_idle();
    return pair;
  }

  std::size_t write(Session& session, const std::string& text) {
    const Result<std::size_t> taken = session.try_write(std::as_bytes(std::span(text)));
    loop.run_until_idle();
    REQUIRE(taken);
    return *taken;
  }

  /// Reads what is there without waiting: the bytes, or "end", "error: ..." or "waits".
  std::string read(Session& session, std::size_t most = 1'000'000) {
    std::string out = "waits";
    {
      TaskSet scope(loop);
      scope.spawn(read_into(session, most, out));
      loop.run_until_idle();
    }
    return out;
  }

  static Task<> read_into(Session& session, std::size_t most, std::string& out) {
    std::vector<std::byte> buffer(most);
    const Result<std::size_t> got = co_await session.read(buffer);
    if (!got) {
      out = "error: " + got.error().to_string();
    } else if (*got == 0) {
      out = "end";
    } else {
      out.assign(reinterpret_cast<const char*>(buffer.data()), *got);  // NOLINT: bytes as text
    }
  }

  /// Drops a read after its buffer was filled and before it is resumed. Whoever yields all the time is in every batch
  /// of the loop, ahead of the reader that was made ready in the batch before.
  Task<> drop_filled_read(Session& from, Session& to, std::string& out) {
    TaskSet scope(loop);
    scope.spawn(read_into(to, 100, out));
    co_await loop.yield();
    co_await loop.yield();
    REQUIRE(from.try_write(std::as_bytes(std::span("abc", 3))));
    while (to.stats().received_bytes == 0) co_await loop.yield();
  }

  static Task<> set_when(Task<> work, bool& flag) {
    co_await std::move(work);
    flag = true;
  }
};

/// A peer without a session: the test writes records by hand.
struct RawPeer : SessionFixture {
  std::unique_ptr<Session> session = make();
  MemoryPair pair = tests::memory_pair(loop, std::size_t{1} << 20U);

  RawPeer() {
    REQUIRE(session->attach(std::move(pair.left), 0));
    loop.run_until_idle();
    pair.rightward->bytes.clear();
  }
  void send(std::span<const std::byte> bytes) {
    REQUIRE(pair.right->try_write(bytes));
    loop.run_until_idle();
  }
  void send_data(const std::string& text) {
    std::array<std::byte, kRecordHeader> header{};
    put_header(header, RecordType::data, text.size());
    send(header);
    send(std::as_bytes(std::span(text)));
  }
  void send_number(RecordType type, std::uint64_t number) {
    std::array<std::byte, kMaxControlRecord> record{};
    const std::size_t size = put_number(record, type, number);
    send(std::span(record).first(size));
  }
  void send_ack(std::uint64_t received, std::uint64_t limit) {
    std::array<std::byte, kMaxControlRecord> record{};
    const std::size_t size = put_ack(record, received, limit);
    send(std::span(record).first(size));
  }
  void check_violation(const std::string& what) {
    REQUIRE(session->ended());
    CHECK(session->ended()->code == Code::invalid_argument);
    CHECK_THAT(session->ended()->message, Catch::Contains(what));
    CHECK_FALSE(session->attached());
    // The peer is told: a close record with the reason.
    REQUIRE(pair.rightward->bytes.size() >= 5);
    CHECK(pair.rightward->bytes.substr(pair.rightward->bytes.size() - 5) == std::string("\x06\0\0\x01\x01", 5));
  }
};

}  // namespace

TEST_CASE_METHOD(SessionFixture, "a session carries bytes both ways and ends cleanly") {
  auto left = make();
  auto right = make();
  const MemoryPair pair = join(*left, *right);
  CHECK(write(*left, "hello") == 5);
  CHECK(write(*right, "world") == 5);
  CHECK(read(*right) == "hello");
  CHECK(read(*left) == "world");
  CHECK(read(*left) == "waits");
  left->shutdown_write();
  right->shutdown_write();
  loop.run_until_idle();
  CHECK(read(*right) == "end");
  CHECK(read(*left) == "end");
  advance(1s);
  CHECK(left->complete());
  CHECK(right->complete());
  CHECK(left->try_write(std::as_bytes(std::span("x"))).error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(SessionFixture, "what was on the way when the stream broke is sent again, once") {
  auto left = make();
  auto right = make();
  MemoryPair pair = join(*left, *right);
  write(*left, "one ");
  CHECK(read(*right) == "one ");
  pair.rightward->hold(true);
  write(*left, "two ");
  left->shutdown_write();
  loop.run_until_idle();
  pair.cut();
  loop.run_until_idle();
  CHECK_FALSE(left->attached());
  CHECK(right->break_reason()->message == "the memory stream broke");
  pair = join(*left, *right);
  CHECK(read(*right) == "two ");
  CHECK(read(*right) == "end");
  CHECK(left->stats().resent_bytes == 4);
  CHECK(left->stats().streams == 2);
}

TEST_CASE_METHOD(SessionFixture, "bytes written while no stream is there go with the next one") {
  auto left = make();
  auto right = make();
  CHECK(write(*left, "early") == 5);
  const MemoryPair pair = join(*left, *right);
  CHECK(read(*right) == "early");
}

TEST_CASE_METHOD(SessionFixture, "a dropped read loses nothing, not even what it had already been given") {
  auto left = make();
  auto right = make();
  const MemoryPair pair = join(*left, *right);
  std::string out;
  loop.block_on(drop_filled_read(*left, *right, out));
  CHECK(out.empty());
  write(*left, "def");
  CHECK(read(*right) == "abcdef");
}

TEST_CASE_METHOD(SessionFixture, "a full outbox takes nothing more until the peer acknowledges") {
  options.max_unacknowledged_bytes = 1000;
  auto left = make();
  auto right = make();
  CHECK(write(*left, std::string(5000, 'x')) == 1000);
  CHECK(write(*left, "y") == 0);
  bool dropped = false;
  {
    TaskSet scope(loop);
    scope.spawn(set_when(left->writable(), dropped));
    loop.run_until_idle();
  }
  bool writable = false;
  tasks.spawn(set_when(left->writable(), writable));
  loop.run_until_idle();
  CHECK_FALSE(writable);
  const MemoryPair pair = join(*left, *right);
  loop.run_until_idle();
  CHECK(writable);  // without any delay: the full side asks for the acknowledgement
  CHECK_FALSE(dropped);
  CHECK(write(*left, "y") == 1);
  CHECK(read(*right) == std::string(1000, 'x') + "y");
}

TEST_CASE_METHOD(SessionFixture, "a peer that does not read holds the sender, but not acknowledgements") {
  auto left = make();
  auto right = make();
  const MemoryPair pair = join(*left, *right);
  std::size_t taken = 0;
  for (std::size_t one = 1; one != 0; taken += one) one = write(*left, std::string(100'000, 'x'));
  CHECK(taken == options.max_unacknowledged_bytes + kInitialWindow);  // all that was promised has arrived
  CHECK(right->stats().received_bytes == kInitialWindow);
  // The other direction flows, although nobody reads this one.
  for (int i = 0; i < 50; ++i) {
    CHECK(write(*right, std::string(100'000, 'y')) == 100'000);
    CHECK(read(*left).size() > 0);
    while (read(*left) != "waits") loop.run_until_idle();
    advance(30ms);
  }
  std::size_t got = 0;
  for (std::string text = read(*right); text != "waits"; text = read(*right)) got += text.size();
  CHECK(got == taken);
}

TEST_CASE_METHOD(SessionFixture, "sessions share a budget, and each has a little of its own") {
  SessionBudget small(loop, 10'000);
  options.guaranteed_bytes = 1000;
  Session greedy(loop, id, options, small);
  Session modest(loop, id, options, small);
  auto peer = make();
  CHECK(write(greedy, std::string(50'000, 'x')) == 11'000);
  CHECK(small.available() == 0);
  CHECK(write(modest, std::string(5'000, 'y')) == 1000);
  bool writable = false;
  tasks.spawn(set_when(modest.writable(), writable));
  loop.run_until_idle();
  CHECK_FALSE(writable);
  const MemoryPair pair = join(greedy, *peer);
  CHECK(read(*peer) == std::string(11'000, 'x'));
  advance(30ms);
  CHECK(small.used() == 0);
  CHECK(writable);
  CHECK(write(modest, std::string(5'000, 'y')) == 5000);
  modest.end({.code = Code::cancelled, .message = "enough"});
  CHECK(small.used() == 0);
}

TEST_CASE_METHOD(SessionFixture, "acknowledgements are collected") {
  auto left = make();
  auto right = make();
  const MemoryPair pair = join(*left, *right);
  const std::size_t before = pair.leftward->carried;
  for (int i = 0; i < 100; ++i) write(*left, "small");
  CHECK(pair.leftward->carried == before);
  bool flushed = false;
  tasks.spawn([](Session& s, bool& flag) -> Task<> {
    const Result<void> done = co_await s.flushed();
    flag = done.has_value();
  }(*left, flushed));
  advance(24ms);
  CHECK_FALSE(flushed);
  advance(1ms);
  CHECK(flushed);
  CHECK(pair.leftward->carried == before + 20);  // one record for all of them
}

TEST_CASE_METHOD(SessionFixture, "a stream that went silent is found by a ping and given up") {
  auto left = make();
  auto right = make();
  MemoryPair pair = join(*left, *right);
  advance(10min);
  CHECK(left->attached());  // an idle peer answers
  CHECK(pair.rightward->carried < 5000);
  pair.rightward->hold(true);
  pair.leftward->hold(true);
  advance(options.ping_interval * 2 + options.ping_timeout);
  CHECK_FALSE(left->attached());
  CHECK_FALSE(right->attached());
  CHECK(left->break_reason()->message == "the peer answered no ping within 10 s");
  CHECK_FALSE(left->ended());
}

TEST_CASE_METHOD(SessionFixture, "a session that nobody comes back to ends") {
  auto left = make();
  auto right = make();
  const MemoryPair pair = join(*left, *right);
  write(*left, "last words");
  pair.cut();
  loop.run_until_idle();
  bool detached = false;
  tasks.spawn(set_when(right->detached(), detached));
  advance(options.keep_detached - 1ms);
  CHECK(detached);
  CHECK_FALSE(right->ended());
  advance(1ms);
  REQUIRE(right->ended());
  CHECK(right->ended()->code == Code::unavailable);
  CHECK_THAT(right->ended()->message, Catch::Contains("10 min"));
  CHECK(read(*right) == "last words");  // what came before is still given out
  CHECK_THAT(read(*right), Catch::StartsWith("error: unavailable"));
  CHECK(left->try_write({}).error().code == Code::unavailable);
  auto again = tests::memory_pair(loop);
  CHECK(right->attach(std::move(again.left), 0).error().code == Code::unavailable);
}

TEST_CASE_METHOD(SessionFixture, "a destroyed session tells its peer, behind what it had sent") {
  auto left = make();
  auto right = make();
  const MemoryPair pair = join(*left, *right);
  bool gone = false;
  left->on_gone([&gone] { gone = true; });
  bool noticed = false;  // without reading
  tasks.spawn(set_when(right->gone(), noticed));
  loop.run_until_idle();
  CHECK_FALSE(noticed);
  REQUIRE(left->try_write(std::as_bytes(std::span("bye", 3))));
  left.reset();
  loop.run_until_idle();
  CHECK(gone);
  CHECK(noticed);
  CHECK(read(*right) == "bye");
  CHECK_THAT(read(*right), Catch::Contains("unavailable") && Catch::Contains("the peer has closed it"));
}

TEST_CASE_METHOD(SessionFixture, "offsets that nobody can resume from are refused and change nothing") {
  auto left = make();
  auto right = make();
  MemoryPair pair = join(*left, *right);
  write(*left, "0123456789");
  advance(1s);
  CHECK(left->can_resume_from(9).error().code == Code::out_of_range);   // acknowledged, so forgotten
  CHECK(left->can_resume_from(11).error().code == Code::out_of_range);  // never sent
  auto other = tests::memory_pair(loop);
  CHECK_FALSE(left->attach(std::move(other.left), 11));
  CHECK(left->attached());
  CHECK(left->can_resume_from(10));
}

TEST_CASE_METHOD(RawPeer, "a peer that sends more than it was allowed is shut out") {
  for (int i = 0; i < 16; ++i) send_data(std::string(4096, 'x'));
  CHECK_FALSE(session->ended());
  send_data("y");
  check_violation("data behind byte 65536");
  CHECK(read(*session).size() == 65536);
}

TEST_CASE_METHOD(RawPeer, "a peer that acknowledges what was not sent is shut out") {
  write(*session, "abc");
  send_ack(4, 100);
  check_violation("byte 4 acknowledged where 3 were sent");
}

TEST_CASE_METHOD(RawPeer, "a peer that counts its end wrongly is shut out") {
  send_data("abc");
  send_number(RecordType::fin, 2);
  check_violation("its end at byte 2 where 3 bytes came");
}

TEST_CASE_METHOD(RawPeer, "a peer that goes on behind its end is shut out") {
  send_number(RecordType::fin, 0);
  send_data("abc");
  check_violation("data behind its end");
}

TEST_CASE_METHOD(RawPeer, "nothing is sent beyond what the peer allows, and a limit is never taken back") {
  write(*session, std::string(200'000, 'x'));
  pair.rightward->bytes.clear();
  send_ack(65536, 65636);
  CHECK(pair.rightward->bytes.size() == 104);
  send_ack(65636, 1);
  CHECK_FALSE(session->ended());
  CHECK(pair.rightward->bytes.size() == 104);
  send_ack(65636, UINT64_MAX);
  CHECK(session->stats().streams == 1);
}

TEST_CASE_METHOD(RawPeer, "a flood of pings gets few answers") {
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += std::string("\x03\0\0\x08\0\0\0\0\0\0\0\0", 12);
  send(std::as_bytes(std::span(flood)));
  CHECK(pair.rightward->bytes.size() < 32U * 10);
}

TEST_CASE_METHOD(RawPeer, "half a record counts for what came of it") {
  std::array<std::byte, kRecordHeader> header{};
  put_header(header, RecordType::data, 1000);
  send(header);
  send(std::as_bytes(std::span("part", 4)));
  CHECK(read(*session) == "part");
  CHECK(session->receive_offset() == 4);
  pair.cut();
  loop.run_until_idle();
  auto next = tests::memory_pair(loop);
  REQUIRE(session->attach(std::move(next.left), 0));
  std::array<std::byte, kRecordHeader> rest{};
  put_header(rest, RecordType::data, 2);
  REQUIRE(next.right->try_write(rest));
  REQUIRE(next.right->try_write(std::as_bytes(std::span("ly", 2))));
  CHECK(read(*session) == "ly");
}
