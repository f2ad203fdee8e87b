#include "protocol/wire/handshake.hpp"

#include <rapidcheck/catch.h>

#include <catch2/catch.hpp>

#include "protocol/wire/big_endian.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/memory_stream.hpp"

using namespace swarm;
using namespace swarm::async;
using namespace swarm::wire;
using namespace std::chrono_literals;
using tests::MemoryPair;

namespace {

using Outcome = std::optional<Result<HandshakeOutcome>>;

/// Says yes to everybody and remembers what they asked for.
struct OpenGate final : Gatekeeper {
  Answer answer{.admission = Admission::created, .session = {}, .received = 7};
  std::vector<HandshakeWish> asked;
  Answer admit(const HandshakeWish& wish) override {
    asked.push_back(wish);
    return answer;
  }
};

struct HandshakeFixture : tests::FakeTimeFixture {
  SeededRandom random{1};
  TunnelSecret secret = TunnelSecret::make(random);
  HandshakeIdentity dialer = identity();
  HandshakeIdentity acceptor = identity();
  OpenGate gate;
  HandshakeWish wish{.instance = InstanceId::make(random), .session = {}, .received = 5, .attempt = 3};
  TaskSet tasks{loop};

  HandshakeFixture() { gate.answer.session = SessionId::make(random); }

  HandshakeIdentity identity() {
    return {.secret = secret.copy(), .sandbox_id = "s1", .version = {1, 4, 2}, .features = {"a", "b"}};
  }

  static Task<> keep(Task<Result<HandshakeOutcome>> work, Outcome& out) { out.emplace(co_await std::move(work)); }

  void start_dialer(transport::Stream& stream, Outcome& out) {
    tasks.spawn(keep(shake_hands_as_dialer(loop, stream, dialer, wish, random), out));
  }
  void start_acceptor(transport::Stream& stream, Outcome& out) {
    tasks.spawn(keep(shake_hands_as_acceptor(loop, stream, acceptor, gate, random), out));
  }

  struct Both {
    Outcome dialer;
    Outcome acceptor;
  };
  Both meet() {
    Both both;
    const MemoryPair pair = tests::memory_pair(loop);
    start_dialer(*pair.left, both.dialer);
    start_acceptor(*pair.right, both.acceptor);
    loop.run_until_idle();
    tasks.cancel_all();
    return both;
  }

  static Code code_of(const Outcome& outcome) {
    REQUIRE(outcome);
    REQUIRE_FALSE(*outcome);
    return outcome->error().code;
  }
  static std::string take(tests::MemoryPipe& pipe) { return std::exchange(pipe.bytes, {}); }
  void put(transport::Stream& stream, const std::string& bytes) {
    REQUIRE(stream.try_write(std::as_bytes(std::span(bytes))));
    loop.run_until_idle();
  }

  /// A whole handshake through a man in the middle who changes byte `at` of what goes in one direction. Gives how many
  /// bytes went that way.
  std::size_t meddle(bool rightward, std::size_t at, Both& both) {
    MemoryPair near = tests::memory_pair(loop);
    MemoryPair far = tests::memory_pair(loop);
    start_dialer(*near.left, both.dialer);
    start_acceptor(*far.right, both.acceptor);
    std::size_t carried = 0;
    const auto relay = [&](tests::MemoryPipe& from, transport::Stream& to, bool changed) {
      std::string bytes = take(from);
      if (changed && at >= carried && at < carried + bytes.size()) {
        bytes[at - carried] = static_cast<char>(bytes[at - carried] ^ 1);
      }
      if (changed) carried += bytes.size();
      if (!bytes.empty()) static_cast<void>(to.try_write(std::as_bytes(std::span(bytes))).has_value());
    };
    for (int turn = 0; turn < 6; ++turn) {
      loop.run_until_idle();
      relay(*near.rightward, *far.left, rightward);
      loop.run_until_idle();
      relay(*far.leftward, *near.right, !rightward);
    }
    near.cut();
    far.cut();
    loop.run_until_idle();
    tasks.cancel_all();
    return carried;
  }
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};  // NOLINT: bytes as text
}

}  // namespace

TEST_CASE_METHOD(HandshakeFixture, "both ends that know the secret agree") {
  dialer.features = {"a", "c", "d"};
  acceptor.features = {"b", "c", "d", "e"};
  acceptor.version = {1, 5, 0};
  gate.answer.admission = Admission::resumed;
  const Both both = meet();
  REQUIRE((both.dialer && *both.dialer));
  REQUIRE((both.acceptor && *both.acceptor));
  const HandshakeOutcome& near = **both.dialer;
  const HandshakeOutcome& far = **both.acceptor;
  CHECK(near.features == std::vector<std::string>{"c", "d"});
  CHECK(far.features == near.features);
  CHECK(near.peer_version == Version{1, 5, 0});
  CHECK(far.peer_version == Version{1, 4, 2});
  CHECK(near.session == gate.answer.session);
  CHECK(far.session == near.session);
  CHECK(near.admission == Admission::resumed);
  CHECK(near.peer_received == 7);
  CHECK(far.peer_received == 5);
  REQUIRE(gate.asked.size() == 1);
  CHECK(gate.asked[0].attempt == 3);
  CHECK(gate.asked[0].instance == wish.instance);
}

TEST_CASE_METHOD(HandshakeFixture, "a wrong secret or sandbox is refused without saying which") {
  acceptor.secret = TunnelSecret::make(random);
  const Both secret_differs = meet();
  acceptor = identity();
  acceptor.sandbox_id = "s2";
  const Both sandbox_differs = meet();
  for (const Both* both : {&secret_differs, &sandbox_differs}) {
    CHECK(code_of(both->dialer) == Code::unauthenticated);
    CHECK(code_of(both->acceptor) == Code::unauthenticated);
  }
  CHECK(secret_differs.dialer->error().message == sandbox_differs.dialer->error().message);
  CHECK_THAT(secret_differs.dialer->error().message, !Catch::Contains("s1"));
  CHECK(gate.asked.empty());
}

TEST_CASE_METHOD(HandshakeFixture, "no byte of a handshake can be changed on the way") {
  for (const bool rightward : {true, false}) {
    Both untouched;
    const std::size_t bytes = meddle(rightward, SIZE_MAX, untouched);
    REQUIRE(*untouched.dialer);
    REQUIRE(*untouched.acceptor);
    REQUIRE(bytes > 100);
    for (std::size_t at = 0; at < bytes; ++at) {
      INFO((rightward ? "to the acceptor, byte " : "to the dialer, byte ") << at);
      Both both;
      meddle(rightward, at, both);
      CHECK_FALSE((both.dialer && *both.dialer));
      // The acceptor's last message reaches nobody who would believe it; before that it is not fooled either.
      if (rightward) CHECK_FALSE((both.acceptor && *both.acceptor));
    }
  }
}

TEST_CASE_METHOD(HandshakeFixture, "features cannot be taken away on the way") {
  // The same attack as a downgrade would be done: well-formed messages that promise less.
  Outcome near;
  MemoryPair pair = tests::memory_pair(loop);
  start_dialer(*pair.left, near);
  loop.run_until_idle();
  take(*pair.rightward);
  MemoryPair far = tests::memory_pair(loop);
  Outcome acceptor_outcome;
  start_acceptor(*far.right, acceptor_outcome);
  Hello hello{.version = dialer.version, .features = {}};
  put(*far.left, text_of(encode(hello).bytes()));
  put(*pair.right, take(*far.leftward));  // the acceptor's own challenge
  put(*far.left, take(*pair.rightward));  // the dialer's own proof
  CHECK(code_of(acceptor_outcome) == Code::unauthenticated);
  put(*pair.right, take(*far.leftward));
  CHECK(code_of(near) == Code::unauthenticated);
}

TEST_CASE_METHOD(HandshakeFixture, "a dialer's own messages sent back prove nothing") {
  Outcome near;
  MemoryPair pair = tests::memory_pair(loop);
  start_dialer(*pair.left, near);
  loop.run_until_idle();
  const std::string hello = take(*pair.rightward);
  SECTION("as they are") {
    put(*pair.right, hello);
    CHECK(code_of(near) == Code::invalid_argument);
  }
  SECTION("its nonce as ours") {
    const auto decoded = decode_hello(std::as_bytes(std::span(hello)).subspan(kHandshakeHeader));
    REQUIRE(decoded);
    put(*pair.right, text_of(encode(Challenge{.nonce = decoded->nonce, .version = dialer.version}).bytes()));
    CHECK(code_of(near) == Code::unauthenticated);
  }
  SECTION("its proof as ours") {
    put(*pair.right, text_of(encode(Challenge{.nonce = {}, .version = dialer.version}).bytes()));
    const std::string proof = take(*pair.rightward);
    const auto decoded = decode_proof(std::as_bytes(std::span(proof)).subspan(kHandshakeHeader));
    REQUIRE(decoded);
    const Accept forged{.admission = Admission::created, .session = gate.answer.session, .mac = decoded->mac};
    put(*pair.right, text_of(encode(forged).bytes()));
    CHECK(code_of(near) == Code::unauthenticated);
  }
}

TEST_CASE_METHOD(HandshakeFixture, "a recorded handshake proves nothing the second time") {
  Outcome near;
  Outcome far;
  MemoryPair left = tests::memory_pair(loop);
  MemoryPair right = tests::memory_pair(loop);
  start_dialer(*left.left, near);
  start_acceptor(*right.right, far);
  std::string said_by_dialer;
  std::string said_by_acceptor;
  for (int turn = 0; turn < 4; ++turn) {
    loop.run_until_idle();
    const std::string out = take(*left.rightward);
    said_by_dialer += out;
    put(*right.left, out);
    const std::string back = take(*right.leftward);
    said_by_acceptor += back;
    put(*left.right, back);
  }
  REQUIRE((near && *near && far && *far));

  Outcome again;
  MemoryPair replay = tests::memory_pair(loop);
  start_acceptor(*replay.right, again);
  put(*replay.left, said_by_dialer);
  CHECK(code_of(again) == Code::unauthenticated);
  Outcome fooled;
  MemoryPair other = tests::memory_pair(loop);
  start_dialer(*other.left, fooled);
  loop.run_until_idle();
  put(*other.right, said_by_acceptor);
  CHECK(code_of(fooled) == Code::unauthenticated);
}

TEST_CASE_METHOD(HandshakeFixture, "a handshake that stops anywhere fails") {
  for (const bool rightward : {true, false}) {
    for (std::size_t kept = 0; kept < 64; ++kept) {
      Both both;
      MemoryPair pair = tests::memory_pair(loop);
      auto& pipe = rightward ? *pair.rightward : *pair.leftward;
      pipe.capacity = kept;  // the sender stands still after that many bytes
      pipe.held = true;
      start_dialer(*pair.left, both.dialer);
      start_acceptor(*pair.right, both.acceptor);
      loop.run_until_idle();
      pipe.held = false;
      pipe.ended = true;
      pipe.changed.notify_all();
      loop.run_until_idle();
      const Outcome& reader = rightward ? both.acceptor : both.dialer;
      CHECK(code_of(reader) == Code::unavailable);
      tasks.cancel_all();
    }
  }
}

TEST_CASE_METHOD(HandshakeFixture, "the whole handshake has one deadline, however busy the peer looks") {
  Outcome far;
  MemoryPair pair = tests::memory_pair(loop);
  start_acceptor(*pair.right, far);
  const HandshakeMessage hello = encode(Hello{.version = dialer.version, .features = {"a"}});
  for (std::size_t at = 0; !far && at < 100; ++at) {
    put(*pair.left, text_of(hello.bytes().subspan(at, 1)));
    advance(1s);
    if (at < 4) CHECK_FALSE(far);
  }
  CHECK(code_of(far) == Code::deadline_exceeded);
  CHECK(far->error().message == "tunnel handshake: no answer within 5000 ms");
}

TEST_CASE_METHOD(HandshakeFixture, "a huge message is refused by its length") {
  Outcome far;
  MemoryPair pair = tests::memory_pair(loop);
  start_acceptor(*pair.right, far);
  put(*pair.left, std::string("\x01\xff\xff", 3));
  CHECK(code_of(far) == Code::invalid_argument);
  CHECK_THAT(far->error().message, Catch::Contains("65535 bytes"));
}

TEST_CASE_METHOD(HandshakeFixture, "one minor version apart works, more is refused clearly at both ends") {
  const auto try_version = [this](Version version) {
    acceptor.version = version;
    return meet();
  };
  for (const Version near : {Version{1, 3, 9}, Version{1, 4, 0}, Version{1, 5, 0}}) {
    const Both both = try_version(near);
    CHECK(both.dialer->has_value());
  }
  for (const Version far : {Version{1, 2, 0}, Version{1, 6, 0}, Version{2, 4, 2}, Version{0, 4, 2}}) {
    const Both both = try_version(far);
    CHECK(code_of(both.dialer) == Code::failed_precondition);
    CHECK(code_of(both.acceptor) == Code::failed_precondition);
    CHECK_THAT(both.dialer->error().message, Catch::Contains(far.to_string()) && Catch::Contains("1.4.2"));
  }
}

TEST_CASE_METHOD(HandshakeFixture, "another handshake format, or no tunnel at all, is named as such") {
  const auto answer_to = [this](const std::string& bytes) {
    Outcome far;
    MemoryPair pair = tests::memory_pair(loop);
    start_acceptor(*pair.right, far);
    put(*pair.left, bytes);
    pair.cut();
    loop.run_until_idle();
    REQUIRE(far);
    return far->error().to_string();
  };
  CHECK_THAT(answer_to(std::string("\x01\0\x05SWTN\x02", 8)), Catch::Contains("format 2"));
  CHECK_THAT(answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Catch::StartsWith("invalid_argument"));
}

TEST_CASE_METHOD(HandshakeFixture, "what the acceptor decides reaches the dialer as a code") {
  const auto decided = [this](Admission admission) {
    gate.answer.admission = admission;
    return meet();
  };
  CHECK(code_of(decided(Admission::unknown).dialer) == Code::not_found);
  CHECK(code_of(decided(Admission::stale).dialer) == Code::failed_precondition);
  CHECK(code_of(decided(Admission::exhausted).acceptor) == Code::resource_exhausted);
}

TEST_CASE_METHOD(HandshakeFixture, "a handshake dropped at any step leaves nothing behind") {
  for (int steps = 0; steps < 12; ++steps) {
    Both both;
    const MemoryPair pair = tests::memory_pair(loop);
    start_dialer(*pair.left, both.dialer);
    start_acceptor(*pair.right, both.acceptor);
    for (int i = 0; i < steps; ++i) loop.block_on([](Loop& l) -> Task<> { co_await l.yield(); }(loop));
    tasks.cancel_all();
    loop.run_until_idle();
    CHECK_FALSE(loop.next_timer());
  }
}

TEST_CASE("a secret has exactly its size and can be moved") {
  const std::array<std::byte, 33> bytes{};
  CHECK(TunnelSecret::from_bytes(std::span(bytes).first(31)).error().code == Code::invalid_argument);
  CHECK(TunnelSecret::from_bytes(bytes).error().code == Code::invalid_argument);
  SeededRandom random(1);
  TunnelSecret one = TunnelSecret::make(random);
  const TunnelSecret kept = one.copy();
  const TunnelSecret two = std::move(one);
  CHECK(std::ranges::equal(two.bytes(), kept.bytes()));
  CHECK(std::ranges::all_of(one.bytes(), [](std::byte b) { return b == std::byte{0}; }));  // NOLINT: that is the point
}

TEST_CASE("feature names that cannot travel are named") {
  CHECK(check_features({}));
  CHECK(check_features({"a", "b.c-d_2"}));
  CHECK_FALSE(check_features({"b", "a"}));
  CHECK_FALSE(check_features({"a", "a"}));
  CHECK_FALSE(check_features({""}));
  CHECK_FALSE(check_features({"A"}));
  CHECK_FALSE(check_features({std::string(49, 'a')}));
  CHECK_FALSE(check_features(std::vector<std::string>(65, "a")));
}

TEST_CASE("handshake messages survive their bytes") {
  rc::prop("hello", [] {
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    Hello hello{.version = {*rc::gen::arbitrary<std::uint16_t>(), *rc::gen::arbitrary<std::uint16_t>(), 3},
                .instance = InstanceId::make(random),
                .session = SessionId::make(random),
                .received = random.next(),
                .attempt = random.next()};
    random.fill(hello.nonce);
    const auto names = *rc::gen::container<std::set<std::string>>(
        rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'z'))));
    for (const std::string& name : names) {
      if (name.size() <= kMaxFeatureName && hello.features.size() < kMaxFeatures) hello.features.push_back(name);
    }
    const auto decoded = decode_hello(encode(hello).body());
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(*decoded == hello);
  });
  rc::prop("any bytes decode to something that encodes to them, or not at all", [] {
    const auto bytes = *rc::gen::container<std::vector<std::byte>>(
        rc::gen::map(rc::gen::arbitrary<std::uint8_t>(), [](std::uint8_t b) { return std::byte{b}; }));
    if (const auto challenge = decode_challenge(bytes)) RC_ASSERT(std::ranges::equal(encode(*challenge).body(), bytes));
    if (const auto proof = decode_proof(bytes)) RC_ASSERT(std::ranges::equal(encode(*proof).body(), bytes));
    if (const auto accept = decode_accept(bytes)) RC_ASSERT(std::ranges::equal(encode(*accept).body(), bytes));
    RC_ASSERT_FALSE(decode_hello(bytes).has_value());
  });
}

TEST_CASE("the largest hello fits into a message") {
  Hello hello;
  for (std::size_t i = 0; i < kMaxFeatures; ++i) {
    std::string name(kMaxFeatureName, 'a');
    name[0] = static_cast<char>('a' + (i / 26));
    name[1] = static_cast<char>('a' + (i % 26));
    hello.features.push_back(name);
  }
  REQUIRE(check_features(hello.features));
  CHECK(decode_hello(encode(hello).body()).value() == hello);
}
