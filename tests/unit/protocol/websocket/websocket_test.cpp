#include <rapidcheck/catch.h>

#include "protocol/websocket/stream.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/memory_stream.hpp"

namespace swarm::websocket {
namespace {

using namespace std::chrono_literals;
using tests::FakeTimeFixture;
using tests::MemoryPair;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string sealed(Side side, Opcode opcode, std::string_view payload, std::uint64_t seed = 1) {
  SeededRandom random(seed);
  Frames frames(side, random);
  std::string out;
  frames.seal(opcode, bytes_of(payload), out);
  return out;
}

TEST_CASE("frames are the standard's", "[websocket]") {
  CHECK(sealed(Side::server, Opcode::binary, "Hello") == std::string("\x82\x05Hello"));
  CHECK(sealed(Side::server, Opcode::ping, "") == std::string("\x89\0", 2));
  const std::string masked = sealed(Side::client, Opcode::binary, "Hello");
  REQUIRE(masked.size() == 11);
  CHECK(masked.substr(0, 2) == "\x82\x85");
  CHECK(masked.substr(6) != "Hello");
  CHECK(accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455, section 1.3
}

TEST_CASE("what is sealed is taken, however it is cut", "[websocket]") {
  rc::prop("both ways", [](bool from_client, const std::vector<std::string>& payloads, std::uint64_t seed) {
    SeededRandom random(seed);
    const Side side = from_client ? Side::client : Side::server;
    Frames sender(side, random);
    Frames receiver(from_client ? Side::server : Side::client, random);
    std::string wire;
    std::string all;
    for (const std::string& payload : payloads) {
      sender.seal(Opcode::binary, bytes_of(payload), wire);
      sender.seal(Opcode::ping, bytes_of("p"), wire);
      all += payload;
    }
    std::string got;
    std::size_t pings = 0;
    while (!wire.empty()) {
      const auto size = *rc::gen::inRange<std::size_t>(1, wire.size() + 1);
      std::vector<Frames::Piece> pieces;
      RC_ASSERT(receiver.take(wire.substr(0, size), pieces).has_value());
      wire.erase(0, size);
      for (const Frames::Piece& piece : pieces) {
        if (piece.opcode == Opcode::binary) got += piece.payload;
        if (piece.opcode == Opcode::ping) ++pings;
      }
    }
    RC_ASSERT(got == all);
    RC_ASSERT(pings == payloads.size());
  });
}

TEST_CASE("what the standard forbids ends the connection", "[websocket]") {
  const auto refused = [](Side side, std::string_view wire) {
    SystemRandom random;
    Frames frames(side, random);
    std::vector<Frames::Piece> pieces;
    return !frames.take(wire, pieces).has_value();
  };
  CHECK(refused(Side::server, "\x82\x01x"));                                // no mask
  CHECK(refused(Side::client, sealed(Side::client, Opcode::binary, "x")));  // a mask
  CHECK(refused(Side::client, "\x81\x01x"));                                // text
  CHECK(refused(Side::client, std::string_view("\x80\x01x", 3)));           // the rest of nothing
  CHECK(refused(Side::client, std::string_view("\x02\x01x\x02\x01x", 6)));  // a message within a message
  CHECK(refused(Side::client, std::string_view("\xC2\x01x", 3)));           // an extension's bit
  CHECK(refused(Side::client, std::string_view("\x09\x01x", 3)));           // a ping in parts
  CHECK(refused(Side::client, "\x89\x7E" + std::string("\x01\x00", 2) + std::string(256, 'x')));  // a long ping
  CHECK(refused(Side::client, std::string_view("\x83\x01x", 3)));                                 // an unknown kind
  CHECK(refused(Side::client, std::string_view("\x8B\x01x", 3)));
  CHECK_FALSE(refused(Side::client, std::string_view("\x02\x01x\x80\x01x", 6)));
  CHECK_FALSE(refused(Side::client, std::string_view("\x02\x01x\x89\x01p\x80\x01x", 9)));  // a ping in between
}

struct Rig : FakeTimeFixture {
  SystemRandom random;
  std::shared_ptr<tests::MemoryPipe> up = std::make_shared<tests::MemoryPipe>(loop, 4096);
  std::shared_ptr<tests::MemoryPipe> down = std::make_shared<tests::MemoryPipe>(loop, 4096);
  std::unique_ptr<WebSocketStream> client = std::make_unique<WebSocketStream>(
      loop, Side::client, Opened{.stream = std::make_unique<tests::MemoryStream>(down, up)}, random);
  std::unique_ptr<WebSocketStream> server = std::make_unique<WebSocketStream>(
      loop, Side::server, Opened{.stream = std::make_unique<tests::MemoryStream>(up, down)}, random);
};

async::Task<> send_all(transport::Stream& to, std::string text) {
  const Result<void> sent = co_await transport::write_all(to, std::as_bytes(std::span(text)));
  REQUIRE(sent);
}

async::Task<std::string> read_some(transport::Stream& from, std::size_t size) {
  std::string got(size, '\0');
  const Result<void> read = co_await transport::read_exactly(from, std::as_writable_bytes(std::span(got)));
  if (!read) co_return read.error().to_string();
  co_return got;
}

async::Task<> exchange(async::Loop& loop, Rig& rig, std::string text, std::string& at_server, std::string& at_client) {
  async::TaskSet tasks(loop);
  tasks.spawn(send_all(*rig.client, text));
  at_server = co_await read_some(*rig.server, text.size());
  tasks.spawn(send_all(*rig.server, text));
  at_client = co_await read_some(*rig.client, text.size());
}

TEST_CASE_METHOD(Rig, "bytes go both ways, more than fits at once", "[websocket]") {
  std::string text(1'000'000, '\0');
  random.fill(std::as_writable_bytes(std::span(text)));
  std::string at_server;
  std::string at_client;
  loop.block_on(exchange(loop, *this, text, at_server, at_client));
  CHECK(at_server == text);
  CHECK(at_client == text);
}

TEST_CASE_METHOD(Rig, "who does not read holds the writer up", "[websocket]") {
  std::size_t taken = 0;
  const std::string text(65536, 'x');
  for (int i = 0; i < 100; ++i) {
    const Result<std::size_t> now = client->try_write(bytes_of(text));
    REQUIRE(now);
    taken += *now;
    loop.run_until_idle();
  }
  CHECK(taken < 2'000'000);
  // And is not taken for dead: what is held up is not silent.
  advance(5min);
  CHECK(client->try_write(bytes_of("")));
  std::string got(taken, '\0');
  CHECK(loop.block_on(read_some(*server, taken)) == std::string(taken, 'x'));
}

async::Task<> drop(async::Task<> task, bool& done) {
  co_await std::move(task);
  done = true;
}

TEST_CASE_METHOD(Rig, "pings keep a silent connection alive", "[websocket]") {
  async::TaskSet tasks(loop);
  bool gone = false;
  tasks.spawn(drop(client->gone(), gone));
  const std::size_t before = up->carried;
  advance(1h);
  CHECK_FALSE(gone);
  CHECK(up->carried > before);
  CHECK(client->try_write(bytes_of("x")));
}

TEST_CASE_METHOD(Rig, "a peer that is frozen is noticed", "[websocket]") {
  loop.run_until_idle();
  up->hold(true);
  down->hold(true);
  advance(2min);
  const Result<std::size_t> written = client->try_write(bytes_of("x"));
  REQUIRE_FALSE(written);
  CHECK(written.error().code == Code::unavailable);
  CHECK(written.error().message.find("nothing was heard for 50 s") != std::string::npos);
}

TEST_CASE_METHOD(Rig, "an end is clean, a break is not", "[websocket]") {
  std::array<std::byte, 8> buffer;
  SECTION("a close frame comes after what was written") {
    REQUIRE(client->try_write(bytes_of("bye")));
    client->shutdown_write();
    CHECK(loop.block_on(read_some(*server, 3)) == "bye");
    const Result<std::size_t> end = loop.block_on(server->read(buffer));
    REQUIRE(end);
    CHECK(*end == 0);
    CHECK_FALSE(client->try_write(bytes_of("x")));
  }
  SECTION("a break") {
    up->break_now();
    CHECK_FALSE(loop.block_on(server->read(buffer)));
  }
  SECTION("garbage") {
    up->bytes += "GET / HTTP/1.1\r\n";
    up->changed.notify_all();
    CHECK_FALSE(loop.block_on(server->read(buffer)));
  }
}

async::Task<> answer_into(std::unique_ptr<transport::Stream> stream, std::optional<Result<Opened>>& out) {
  out = co_await answer(std::move(stream), "/tunnel");
}

async::Task<std::expected<Opened, Refusal>> shake(async::Loop& loop, Random& random, std::string path,
                                                  std::optional<Result<Opened>>& served) {
  auto up = std::make_shared<tests::MemoryPipe>(loop, 65536);
  auto down = std::make_shared<tests::MemoryPipe>(loop, 65536);
  async::TaskSet tasks(loop);
  tasks.spawn(answer_into(std::make_unique<tests::MemoryStream>(up, down), served));
  auto opened = co_await ask(std::make_unique<tests::MemoryStream>(down, up),
                             {.host = "h", .path = std::move(path), .headers = {{"X-Token", "t"}}}, random);
  co_await tasks.join();
  co_return opened;
}

TEST_CASE_METHOD(FakeTimeFixture, "both ends agree on a WebSocket, or say why not", "[websocket]") {
  SystemRandom random;
  std::optional<Result<Opened>> served;
  SECTION("agreed") {
    const auto opened = loop.block_on(shake(loop, random, "/tunnel?x=1", served));
    CHECK(opened);
    REQUIRE(served);
    CHECK(*served);
  }
  SECTION("another path") {
    const auto opened = loop.block_on(shake(loop, random, "/other", served));
    REQUIRE_FALSE(opened);
    CHECK(opened.error().status == 404);
    CHECK_FALSE(*served);
  }
}

async::Task<std::expected<Opened, Refusal>> ask_scripted(async::Loop& loop, Random& random, std::string reply) {
  auto up = std::make_shared<tests::MemoryPipe>(loop, 65536);
  auto down = std::make_shared<tests::MemoryPipe>(loop, 65536);
  down->bytes = std::move(reply);
  down->ended = true;
  auto opened = co_await ask(std::make_unique<tests::MemoryStream>(down, up), {.host = "h", .path = "/t"}, random);
  co_return opened;
}

TEST_CASE_METHOD(FakeTimeFixture, "a refusal keeps its status and body", "[websocket]") {
  SystemRandom random;
  const auto opened = loop.block_on(
      ask_scripted(loop, random, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 13\r\n\r\n{\"port\":3000}more"));
  REQUIRE_FALSE(opened);
  CHECK(opened.error().status == 502);
  CHECK(opened.error().body == "{\"port\":3000}");
  for (const char* reply :
       {"", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "garbage\r\n\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"}) {
    CAPTURE(reply);
    CHECK_FALSE(loop.block_on(ask_scripted(loop, random, reply)));
  }
  CHECK_FALSE(loop.block_on(ask_scripted(loop, random, std::string(100'000, 'x'))));
}

async::Task<Result<Opened>> answer_scripted(async::Loop& loop, std::string request, std::string& said) {
  auto up = std::make_shared<tests::MemoryPipe>(loop, 65536);
  auto down = std::make_shared<tests::MemoryPipe>(loop, 65536);
  up->bytes = std::move(request);
  up->ended = true;
  auto opened = co_await answer(std::make_unique<tests::MemoryStream>(up, down), "/t");
  said = down->bytes;
  co_return opened;
}

TEST_CASE_METHOD(FakeTimeFixture, "a server takes only what is a WebSocket", "[websocket]") {
  const std::string good =
      "GET /t HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  std::string said;
  const auto opened = loop.block_on(answer_scripted(loop, good + "rest", said));
  REQUIRE(opened);
  CHECK(opened->rest == "rest");
  CHECK(said.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos);
  const auto without = [&](std::string_view what, std::string_view instead) {
    std::string bad = good;
    bad.replace(bad.find(what), what.size(), instead);
    return !loop.block_on(answer_scripted(loop, bad, said));
  };
  CHECK(without("GET", "POST"));
  CHECK(without("HTTP/1.1", "HTTP/1.0"));
  CHECK(without("/t", "/"));
  CHECK(without("WebSocket\r\n", "h2c\r\n"));
  CHECK(without("keep-alive, Upgrade", "keep-alive"));
  CHECK(without("13", "8"));
  CHECK(said.starts_with("HTTP/1.1 426 "));
  CHECK(without("dGhlIHNhbXBsZSBub25jZQ==", "short"));
  CHECK(said.starts_with("HTTP/1.1 400 "));
}

}  // namespace
}  // namespace swarm::websocket
