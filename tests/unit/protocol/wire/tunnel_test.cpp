#include "protocol/wire/tunnel.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "protocol/transport/unix.hpp"
#include "protocol/wire/tunnel_acceptor.hpp"
#include "protocol/wire/tunnel_dialer.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/memory_stream.hpp"

using namespace swarm;
using namespace swarm::async;
using namespace swarm::wire;
using namespace std::chrono_literals;
using tests::MemoryPair;

namespace {

/// A network in memory between dialers and whichever acceptor is there.
struct TunnelFixture : tests::FakeTimeFixture {
  SeededRandom random{1};
  SessionBudget budget{loop, std::size_t{8} << 20U};
  TunnelSecret secret = TunnelSecret::make(random);
  std::deque<std::unique_ptr<transport::Stream>> waiting;
  Condition arrived{loop};
  std::vector<MemoryPair> lines;  // the pipes of every line so far
  std::optional<Error> unreachable;
  bool hangs = false;
  std::vector<std::string> refused;
  std::unique_ptr<TunnelAcceptor> acceptor;
  TaskSet tasks{loop};

  TunnelFixture() { start_acceptor(); }

  HandshakeIdentity identity() {
    return {.secret = secret.copy(), .sandbox_id = "s1", .version = {0, 1, 0}, .features = {"files", "panes"}};
  }
  void start_acceptor(std::size_t max_sessions = 4) {
    acceptor.reset();
    waiting.clear();
    acceptor = std::make_unique<TunnelAcceptor>(
        loop, [this] { return accept(); },
        AcceptorOptions{.identity = identity(),
                        .max_sessions = max_sessions,
                        .refused = [this](const Error& error) { refused.push_back(error.to_string()); }},
        random, budget);
  }
  DialerOptions dialer_options() { return {.identity = identity(), .instance = InstanceId::make(random)}; }
  std::unique_ptr<TunnelDialer> make_dialer() { return make_dialer(dialer_options()); }
  std::unique_ptr<TunnelDialer> make_dialer(DialerOptions options) {
    return std::make_unique<TunnelDialer>(loop, [this] { return dial(); }, std::move(options), random, budget);
  }

  std::unique_ptr<transport::Stream> open_line() {
    MemoryPair pair = tests::memory_pair(loop);
    auto near = std::move(pair.left);
    waiting.push_back(std::move(pair.right));
    arrived.notify_one();
    lines.push_back(std::move(pair));
    return near;
  }
  Task<Result<std::unique_ptr<transport::Stream>>> dial() {
    if (hangs) co_await Event(loop).wait();
    if (unreachable) co_return fail(*unreachable);
    co_return open_line();
  }
  Task<Result<std::unique_ptr<transport::Stream>>> accept() {
    while (waiting.empty()) co_await arrived.wait();
    auto stream = std::move(waiting.front());
    waiting.pop_front();
    co_return std::move(stream);
  }

  using Connected = std::optional<Result<Tunnel>>;
  static Task<> keep(Task<Result<Tunnel>> work, Connected& out) { out.emplace(co_await std::move(work)); }
  static Task<> keep_next(TunnelAcceptor& from, std::optional<Tunnel>& out) { out.emplace(co_await from.next()); }

  Connected connect(TunnelDialer& dialer, Duration limit = 10s, Duration patience = 0s) {
    Connected out;
    TaskSet scope(loop);
    scope.spawn(keep(dialer.connect(limit), out));
    advance(patience);
    return out;
  }
  std::optional<Tunnel> next() {
    std::optional<Tunnel> out;
    TaskSet scope(loop);
    scope.spawn(keep_next(*acceptor, out));
    loop.run_until_idle();
    return out;
  }
  std::unique_ptr<Session> connected(TunnelDialer& dialer) {
    Connected tunnel = connect(dialer);
    REQUIRE(tunnel);
    REQUIRE(*tunnel);
    return std::move((*tunnel)->session);
  }

  std::string carry(Session& from, Session& to, const std::string& text) {
    REQUIRE(transport_all(from, text));
    advance(1s);
    std::string got(1000, '\0');
    std::size_t size = 0;
    TaskSet scope(loop);
    scope.spawn([](Session& s, std::string& into, std::size_t& n) -> Task<> {
      const Result<std::size_t> read = co_await s.read(std::as_writable_bytes(std::span(into)));
      n = read ? *read : 0;
    }(to, got, size));
    loop.run_until_idle();
    return got.substr(0, size);
  }
  static bool transport_all(Session& to, const std::string& text) {
    const Result<std::size_t> taken = to.try_write(std::as_bytes(std::span(text)));
    return taken && *taken == text.size();
  }
};

}  // namespace

TEST_CASE_METHOD(TunnelFixture, "a dialer and an acceptor make a tunnel and agree on its features") {
  DialerOptions options = dialer_options();
  options.identity.features = {"panes", "zip"};
  auto dialer = make_dialer(std::move(options));
  Connected near = connect(*dialer);
  REQUIRE((near && *near));
  std::optional<Tunnel> far = next();
  REQUIRE(far);
  CHECK((*near)->features == std::vector<std::string>{"panes"});
  CHECK(far->features == std::vector<std::string>{"panes"});
  CHECK(far->peer_version == Version{0, 1, 0});
  CHECK(carry(*(*near)->session, *far->session, "hello") == "hello");
  CHECK(carry(*far->session, *(*near)->session, "world") == "world");
  CHECK_FALSE(next());
}

TEST_CASE_METHOD(TunnelFixture, "a tunnel comes back by itself, also after its dialer has gone") {
  auto dialer = make_dialer();
  auto near = connected(*dialer);
  auto far = next();
  REQUIRE(far);
  dialer.reset();
  for (int i = 0; i < 20; ++i) {
    lines.back().cut();
    loop.run_until_idle();
    CHECK_FALSE(near->attached());
    CHECK(carry(*near, *far->session, "still here") == "still here");
    CHECK(carry(*far->session, *near, "so am I") == "so am I");
  }
  CHECK(lines.size() == 21);
  CHECK_FALSE(next());  // no new session
  CHECK(near->stats().streams == 21);
}

TEST_CASE_METHOD(TunnelFixture, "a new stream takes over from one that only the acceptor thinks alive") {
  auto dialer = make_dialer();
  auto near = connected(*dialer);
  auto far = next();
  REQUIRE(far);
  lines.back().rightward->hold(true);
  lines.back().leftward->hold(true);
  lines.back().leftward->break_now();  // the dialer reads an error; the acceptor hears nothing of it
  loop.run_until_idle();
  lines.back().leftward->broken = false;
  loop.run_until_idle();
  CHECK(far->session->attached());
  CHECK(carry(*near, *far->session, "over") == "over");
  CHECK(far->session->break_reason()->message == "the dialer came back on a new stream");
}

TEST_CASE_METHOD(TunnelFixture, "while the peer is away the pauses grow, and end") {
  auto dialer = make_dialer();
  auto near = connected(*dialer);
  auto far = next();
  unreachable = Error{.code = Code::unavailable, .message = "no route", .retryable = true};
  lines.back().cut();
  advance(9min);
  CHECK_FALSE(near->ended());
  unreachable.reset();
  advance(10s);
  CHECK(near->attached());
  unreachable = Error{.code = Code::unavailable, .message = "no route", .retryable = true};
  lines.back().cut();
  advance(11min);
  REQUIRE(near->ended());
  CHECK(near->ended()->code == Code::unavailable);
  CHECK(far->session->ended()->code == Code::unavailable);
  CHECK_FALSE(loop.next_timer());  // nobody dials any more
}

TEST_CASE_METHOD(TunnelFixture, "a restarted peer ends the session, and a new one can be made") {
  auto dialer = make_dialer();
  auto near = connected(*dialer);
  next().reset();
  start_acceptor();
  lines.back().cut();
  advance(1s);
  REQUIRE(near->ended());
  CHECK(near->ended()->code == Code::unavailable);
  CHECK_THAT(near->ended()->message, Catch::Contains("ended"));
  auto again = connected(*dialer);
  auto far = next();
  REQUIRE(far);
  CHECK(again->id() != near->id());
  CHECK(carry(*again, *far->session, "new") == "new");
}

TEST_CASE_METHOD(TunnelFixture, "a peer that lost its memory without a word is found out at the next stream") {
  auto dialer = make_dialer();
  auto near = connected(*dialer);
  auto far = next();
  REQUIRE(far);
  start_acceptor();  // the old session object is still there, but the new acceptor does not know it
  lines.back().cut();
  advance(1s);
  REQUIRE(near->ended());
  CHECK_THAT(near->ended()->message, Catch::Contains("the peer was restarted"));
}

TEST_CASE_METHOD(TunnelFixture, "what cannot pass is final, what can is tried again until the limit") {
  DialerOptions options = dialer_options();
  options.identity.secret = TunnelSecret::make(random);
  auto stranger = make_dialer(std::move(options));
  Connected refused_tunnel = connect(*stranger);
  REQUIRE(refused_tunnel);
  CHECK(refused_tunnel->error().code == Code::unauthenticated);
  CHECK(lines.size() == 1);
  REQUIRE(refused.size() == 1);
  CHECK_THAT(refused[0], Catch::StartsWith("unauthenticated"));

  unreachable = Error{.code = Code::unavailable, .message = "no route", .retryable = true};
  auto dialer = make_dialer();
  Connected late = connect(*dialer, 3s, 3s);
  REQUIRE(late);
  CHECK(late->error().code == Code::unavailable);
  CHECK_THAT(late->error().message, Catch::Contains("tries") && Catch::EndsWith("no route"));

  unreachable.reset();
  hangs = true;
  Connected hanging = connect(*dialer, 2s, 5s);
  REQUIRE(hanging);
  CHECK(hanging->error().code == Code::deadline_exceeded);
}

TEST_CASE_METHOD(TunnelFixture, "a secret that changed meanwhile ends the session") {
  auto dialer = make_dialer();
  auto near = connected(*dialer);
  auto far = next();
  secret = TunnelSecret::make(random);
  start_acceptor();
  lines.back().cut();
  advance(1s);
  REQUIRE(near->ended());
  CHECK(near->ended()->code == Code::unauthenticated);
}

TEST_CASE_METHOD(TunnelFixture, "connecting can be dropped at any moment") {
  auto dialer = make_dialer();
  for (int steps = 0; steps < 16; ++steps) {
    {
      Connected out;
      TaskSet scope(loop);
      scope.spawn(keep(dialer->connect(10s), out));
      for (int i = 0; i < steps; ++i) loop.block_on([](Loop& l) -> Task<> { co_await l.yield(); }(loop));
    }
    loop.run_until_idle();
  }
  advance(1min);
  CHECK(acceptor->handshakes() == 0);
  auto near = connected(*dialer);
  auto far = next();
  REQUIRE(far);  // those that were given up before are not handed out
  CHECK(far->session->id() == near->id());
  CHECK(carry(*near, *far->session, "fine") == "fine");
}

TEST_CASE_METHOD(TunnelFixture, "a daemon has one session; its next one replaces it") {
  auto dialer = make_dialer();
  auto first = connected(*dialer);
  auto far_first = next();
  auto second = connected(*dialer);
  auto far_second = next();
  REQUIRE(far_second);
  REQUIRE(first->ended());
  CHECK_THAT(first->ended()->message, Catch::Contains("a newer session took its place"));
  CHECK(far_first->session->ended()->code == Code::unavailable);
  CHECK(carry(*second, *far_second->session, "second") == "second");
}

TEST_CASE_METHOD(TunnelFixture, "sessions are limited, and one that nobody uses makes room") {
  start_acceptor(2);
  auto one = make_dialer();
  auto two = make_dialer();
  auto three = make_dialer();
  auto near_one = connected(*one);
  auto near_two = connected(*two);
  auto far_one = next();
  auto far_two = next();
  Connected refused_tunnel = connect(*three, 1s, 1s);
  REQUIRE(refused_tunnel);
  CHECK(refused_tunnel->error().code == Code::resource_exhausted);
  near_one->end({.code = Code::cancelled, .message = "leave the other side waiting"}, CloseReason::done);
  loop.run_until_idle();
  CHECK(connected(*three));
  CHECK(near_two->attached());
}

TEST_CASE_METHOD(TunnelFixture, "a flood of silent strangers does not lock the daemon out") {
  std::vector<std::unique_ptr<transport::Stream>> strangers;
  for (int i = 0; i < 200; ++i) strangers.push_back(open_line());
  loop.run_until_idle();
  CHECK(acceptor->handshakes() == AcceptorOptions{.identity = identity()}.max_handshakes);
  auto dialer = make_dialer();
  CHECK(connected(*dialer));
  advance(6s);
  CHECK(acceptor->handshakes() == 0);
}

TEST_CASE_METHOD(TunnelFixture, "an older attempt to resume that comes late does not replace a newer one") {
  const HandshakeIdentity ours = identity();
  const InstanceId instance = InstanceId::make(random);
  const auto shake = [&](transport::Stream& stream, HandshakeWish wish) {
    std::optional<Result<HandshakeOutcome>> out;
    TaskSet scope(loop);
    scope.spawn([](Task<Result<HandshakeOutcome>> work, std::optional<Result<HandshakeOutcome>>& into) -> Task<> {
      into.emplace(co_await std::move(work));
    }(shake_hands_as_dialer(loop, stream, ours, wish, random), out));
    loop.run_until_idle();
    REQUIRE(out);
    return std::move(*out);
  };
  auto first = open_line();
  const auto made = shake(*first, {.instance = instance});
  REQUIRE(made);
  auto far = next();
  REQUIRE(far);
  auto second = open_line();
  REQUIRE(shake(*second, {.instance = instance, .session = made->session, .attempt = 2}));
  CHECK(far->session->attached());
  auto late = open_line();
  CHECK(shake(*late, {.instance = instance, .session = made->session, .attempt = 1}).error().code ==
        Code::failed_precondition);
  CHECK(far->session->stats().streams == 2);
  CHECK(far->session->attached());
  // Nor may another daemon take the session, though it knows the secret; nor from an offset that does not exist.
  auto other = open_line();
  CHECK(shake(*other, {.instance = InstanceId::make(random), .session = made->session, .attempt = 9}).error().code ==
        Code::not_found);
  auto wrong = open_line();
  CHECK(shake(*wrong, {.instance = instance, .session = made->session, .received = 99, .attempt = 9}).error().code ==
        Code::not_found);
  CHECK(far->session->attached());
}

TEST_CASE_METHOD(tests::LoopFixture, "a tunnel over a Unix socket") {
  const std::string path = "/tmp/swarm-tunnel-" + std::to_string(getpid());
  auto bound = transport::bind_unix(path, 0600);
  REQUIRE(bound);
  transport::UnixListener listener(loop, std::move(*bound));
  SystemRandom random;
  SessionBudget budget(loop, std::size_t{1} << 20U);
  const TunnelSecret secret = TunnelSecret::make(random);
  const auto identity = [&] { return HandshakeIdentity{.secret = secret.copy(), .sandbox_id = "s1"}; };
  struct Unix {
    static Task<Result<std::unique_ptr<transport::Stream>>> dial(Loop& loop, std::string path) {
      auto stream = co_await transport::connect_unix(loop, std::move(path));
      if (!stream) co_return fail(stream.error());
      co_return std::move(*stream);
    }
    static Task<Result<std::unique_ptr<transport::Stream>>> accept(transport::UnixListener& listener) {
      auto stream = co_await listener.accept();
      if (!stream) co_return fail(stream.error());
      co_return std::move(*stream);
    }
  };
  TunnelAcceptor acceptor(loop, [&] { return Unix::accept(listener); }, {.identity = identity()}, random, budget);
  TunnelDialer dialer(
      loop, [&] { return Unix::dial(loop, path); }, {.identity = identity(), .instance = InstanceId::make(random)},
      random, budget);
  Result<Tunnel> near = loop.block_on(dialer.connect(10s));
  REQUIRE(near);
  const Tunnel far = loop.block_on(acceptor.next());
  CHECK(far.session->peer()->pid == getpid());
  CHECK_THAT(near->session->describe(), Catch::StartsWith("session ") && Catch::Contains("unix socket"));
  std::array<std::byte, 4> bytes{};
  REQUIRE(loop.block_on(transport::write_all(*near->session, std::as_bytes(std::span("ping", 4)))));
  REQUIRE(loop.block_on(transport::read_exactly(*far.session, bytes)));
  CHECK(std::memcmp(bytes.data(), "ping", 4) == 0);
  unlink(path.c_str());
}

TEST_CASE("pauses grow, stay under their limit and differ") {
  SeededRandom random(1);
  Backoff backoff({.first = 20ms, .most = 1s}, random);
  std::set<Duration> seen;
  Duration range = 20ms;
  for (int i = 0; i < 20; ++i) {
    const Duration pause = backoff.next();
    CHECK(pause <= range);
    CHECK(pause >= range / 2);
    seen.insert(pause);
    range = std::min<Duration>(range * 2, 1s);
  }
  CHECK(seen.size() > 15);
  backoff.reset();
  CHECK(backoff.next() <= 20ms);
}
