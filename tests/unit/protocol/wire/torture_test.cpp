// Peers that are wrong, hostile or slow: each gets a clear answer or its end, and nobody else notices.

#include <catch2/catch.hpp>

#include "tests/fixtures/wire_fixture.hpp"

namespace swarm::tests {
namespace {

using namespace std::string_literals;
using async::Task;

const Value kEcho = array({0, 1, "echo", array({})});
const Value kEchoed = array({1, 1, Value(), array({})});

/// The `rpc.error` that a peer gets before its connection goes: its message.
std::string goodbye(const std::vector<Value>& messages) {
  if (messages.empty()) return "no message";
  const Value::Array& last = *messages.back().as_array();
  if (last.size() != 3 || last[1] != Value("rpc.error")) return "no rpc.error";
  return *last[2].as_array()->front().find("message")->as_string();
}

/// The text of an answer that is an error.
std::string error_of(const Value& answer) { return *answer.as_array()->at(2).as_array()->at(1).as_string(); }

struct Case {
  std::string name;
  std::string bytes;
  std::string reason;  // a part of what the peer is told
};

TEST_CASE("what breaks the protocol is answered with the reason, and then the connection ends") {
  const std::vector<Case> cases = {
      {"an HTTP request", "GET / HTTP/1.1\r\n\r\n", "a message must be an array"},
      {"no array", "\x81\xa1\x61\x01"s, "a message must be an array"},
      {"an empty array", "\x90"s, "must be 0 (request), 1 (response) or 2 (notification)"},
      {"an unknown type", "\x94\x05\x01\xa1x\x90"s, "got 5"},
      {"a type that is text", "\x94\xa1\x30\x01\xa1x\x90"s, "must be 0 (request)"},
      {"a negative id", "\x94\x00\xff\xa1x\x90"s, "must be a message id"},
      {"an id that is too large", "\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1x\x90"s, "must be a message id"},
      {"an id that is text", "\x94\x00\xa1\x31\xa1x\x90"s, "must be a message id"},
      {"a short response", "\x93\x01\x01\xc0"s, "a response has 4 elements, not 3"},
      {"a long notification", "\x95\x02\xa1x\x90\x90\x90"s, "a notification has 3 elements, not 5"},
      {"a notification without a name", "\x93\x02\x01\x90"s, "the method must be a string"},
      {"a byte that is not MessagePack", "\x94\x00\xc1"s, "0xc1 is not MessagePack"},
      {"a string of 4 GiB", "\x94\x00\x01\xdb\xff\xff\xff\xff"s, "a string of 4294967295 bytes"},
      {"an array of 2^32", "\x94\x00\x01\xa1x\xdd\xff\xff\xff\xff"s, "elements; at most"},
      {"a map of 2^32", "\xdf\xff\xff\xff\xff"s, "elements; at most"},
      {"a hundred thousand brackets", std::string(100'000, '\x91'), "33 nested arrays and maps; at most 32"},
      {"a cancel without an id", wire::encode(array({2, "rpc.cancel", array({"x"})})), "expected [msgid]"},
      {"a stream without an id", wire::encode(array({2, "stream.end", array({})})), "a stream notification must be"},
      {"a notification in latin-1", "\x93\x02\xa1x\x91\xa1\xe9"s, "params[0]: a string that is not UTF-8"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.name);
    RawFixture one;
    one.peer.send(wire::encode(kEcho) + wrong.bytes);
    const auto messages = one.peer.receive_all();
    REQUIRE(messages.size() == 2);
    CHECK(messages[0] == kEchoed);  // what came before is answered
    CHECK_THAT(goodbye(messages), Catch::Contains(wrong.reason));
    CHECK(one.server.ended);
  }
}

TEST_CASE_METHOD(RawFixture, "a request that cannot be understood is answered and the connection goes on") {
  const std::vector<Case> cases = {
      {"a method that is a number", "\x94\x00\x07\x05\x90"s, "the method must be a string in UTF-8"},
      {"a method in latin-1", "\x94\x00\x07\xa1\xe9\x90"s, "the method must be a string in UTF-8"},
      {"two elements", "\x92\x00\x07"s, "a request has 4 elements, not 2"},
      {"five elements", "\x95\x00\x07\xa1x\x90\x90"s, "a request has 4 elements, not 5"},
      {"parameters in latin-1", "\x94\x00\x07\xa1x\x91\xa1\xe9"s, "params[0]: a string that is not UTF-8"},
      {"a map with a number for a key", "\x94\x00\x07\xa1x\x91\x81\x01\x02"s, "keys must be strings"},
      {"an unknown method", "\x94\x00\x07\xa1x\x90"s, "unknown method 'x'"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.name);
    peer.send(wrong.bytes);
    const auto answer = peer.receive();
    REQUIRE(answer);
    CHECK(answer->as_array()->at(1) == Value(7));
    CHECK_THAT(error_of(*answer), Catch::Contains(wrong.reason));
  }
  peer.send_message(kEcho);
  CHECK(*peer.receive() == kEchoed);
}

TEST_CASE_METHOD(RawFixture, "absent parameters are nil") {
  peer.send(
      "\x93\x00\x01\xa4"
      "echo"s);
  CHECK(*peer.receive() == array({1, 1, Value(), Value()}));
  peer.send("\x92\x02\xa4tick"s);
  peer.send_message(kEcho);
  REQUIRE(peer.receive());
  REQUIRE(server.handler.notifications.size() == 1);
  CHECK(server.handler.notifications[0].params.is_nil());
}

TEST_CASE_METHOD(RawFixture, "a message that comes a byte at a time is answered") {
  for (const char byte : wire::encode(array({0, 1, "echo", array({map({{"k", std::string(100, 'x')}})})}))) {
    peer.send(std::string(1, byte));
    loop.run_until_idle();
  }
  CHECK(*peer.receive() == array({1, 1, Value(), array({map({{"k", std::string(100, 'x')}})})}));
}

TEST_CASE_METHOD(RawFixture, "an id that is in use is refused, and both calls are answered") {
  peer.send_message(array({0, 9, "wait", array({"first"})}));
  peer.send_message(array({0, 9, "wait", array({"second"})}));
  CHECK_THAT(error_of(*peer.receive()), Catch::Contains("message id 9 belongs to a request that has no answer yet"));
  server.handler.gate.set();
  CHECK(*peer.receive() == array({1, 9, Value(), array({"first"})}));
  peer.send_message(array({0, 9, "wait", array({"third"})}));  // free again
  CHECK(*peer.receive() == array({1, 9, Value(), array({"third"})}));
}

TEST_CASE_METHOD(RawFixture, "rpc.cancel drops the handler's work and the call is answered") {
  peer.send_message(array({0, 5, "never", array({})}));
  peer.send_message(array({2, "rpc.cancel", array({5})}));
  CHECK(error_of(*peer.receive()) == "cancelled: never: cancelled by the caller");
  CHECK(server.handler.waiting == 0);
  peer.send_message(array({2, "rpc.cancel", array({5})}));  // unknown by now: ignored
  peer.send_message(kEcho);
  CHECK(*peer.receive() == kEchoed);
}

TEST_CASE_METHOD(RawFixture, "answers that nobody asked for are ignored") {
  for (std::uint32_t id = 0; id < 100; ++id) peer.send_message(array({1, id, Value(), "surprise"}));
  peer.send_message(kEcho);
  CHECK(*peer.receive() == kEchoed);
}

TEST_CASE_METHOD(RawFixture, "the end of the peer's output ends its calls; what was answered is still sent") {
  peer.send_message(kEcho);
  peer.send_message(array({0, 2, "never", array({})}));
  peer.stream().shutdown_write();
  CHECK(peer.receive_all() == std::vector{kEchoed});
  REQUIRE(server.ended);
  CHECK(server.ended->message == "the peer closed the connection");
  CHECK(server.handler.waiting == 0);
}

TEST_CASE_METHOD(RawFixture, "an end within a message says so") {
  peer.send("\x94\x00\x01"s);
  peer.stream().shutdown_write();
  CHECK(peer.receive_all().empty());
  CHECK(server.ended->message == "the peer closed the connection within a message, 3 bytes into it");
}

TEST_CASE_METHOD(RawFixture, "an answer that is too large for a message is an error instead") {
  server.handler.on_request = [](wire::Connection&, wire::Incoming) {
    return Result<Value>(Bytes{std::string(wire::Limits{}.max_frame_bytes, 'x')});
  };
  peer.send_message(kEcho);
  CHECK_THAT(error_of(*peer.receive()), Catch::Contains("the answer has 167772") && Catch::Contains("use a stream"));
  const Result<void> notified = server.connection.notify("x", Bytes{std::string(wire::Limits{}.max_frame_bytes, 'x')});
  REQUIRE(!notified);
  CHECK(notified.error().code == Code::resource_exhausted);
}

struct BoundedFixture : RawFixture {
  BoundedFixture() : RawFixture(wire::Limits{.max_requests = 10, .max_output_bytes = 10'000}) {}
};

Task<Result<void>> end_of(Endpoint& endpoint) {
  co_await endpoint.running.join();
  co_return Result<void>();
}

/// Sends `text` again and again for as long as the other side takes it; gives the bytes that it took.
std::size_t flood(RawPeer& peer, async::Loop& loop, const std::string& text, std::size_t most) {
  std::size_t taken = 0;
  for (int refused = 0; refused < 100 && taken < most;) {
    const auto rest = std::as_bytes(std::span(text)).subspan(taken % text.size());
    const auto sent = peer.stream().try_write(rest);
    REQUIRE(sent);
    taken += *sent;
    refused = *sent == 0 ? refused + 1 : 0;
    loop.run_until_idle();
  }
  return taken;
}

TEST_CASE_METHOD(BoundedFixture, "a peer that asks and never reads is not read any more") {
  std::string many;
  for (std::uint32_t id = 0; id < 1000; ++id)
    many += wire::encode(array({0, id, "echo", array({std::string(1000, 'x')})}));
  CHECK(flood(peer, loop, many, 100'000'000) < 10'000'000);
  // The kernel's buffers, one answer's worth over the limit, and not a request more.
  CHECK(server.handler.requests < 2000);
}

TEST_CASE_METHOD(BoundedFixture, "a peer with too many open requests waits; answers and cancelling still pass") {
  for (std::uint32_t id = 0; id < 20; ++id) peer.send_message(array({0, id, "wait", array({id})}));
  loop.run_until_idle();
  CHECK(server.handler.waiting == 10);
  server.handler.gate.set();
  for (std::uint32_t id = 0; id < 20; ++id) CHECK(peer.receive()->as_array()->at(3) == array({id}));
}

TEST_CASE_METHOD(LoopFixture, "a peer that goes while it is not read is noticed") {
  auto fds = sockets();
  Endpoint server(loop, std::move(fds.second), wire::Side::acceptor, {.max_requests = 10});
  {
    RawPeer peer(loop, std::move(fds.first));
    for (std::uint32_t id = 0; id < 20; ++id) peer.send_message(array({0, id, "never", array({id})}));
    loop.run_until_idle();
    CHECK(server.handler.waiting == 10);
  }
  REQUIRE(loop.block_on(async::with_timeout(loop, end_of(server), kPatience, "the end")));
  REQUIRE(server.ended);
  CHECK(server.handler.waiting == 0);
}

TEST_CASE("large requests count by their size") {
  RawFixture one(wire::Limits{.max_request_bytes = 100'000});
  for (std::uint32_t id = 0; id < 5; ++id) {
    one.peer.send_message(array({0, id, "wait", array({std::string(60'000, 'x')})}));
    one.loop.run_until_idle();
  }
  CHECK(one.server.handler.waiting == 2);
  one.server.handler.gate.set();
  for (std::uint32_t id = 0; id < 5; ++id) REQUIRE(one.peer.receive());
}

TEST_CASE_METHOD(BoundedFixture, "notifications to a slow peer are refused beyond the limit, and go on when it reads") {
  int sent = 0;
  Result<void> last;
  for (; sent < 100'000 && last; ++sent) {
    last = server.connection.notify("tick", array({std::string(1000, 'x')}));
    loop.run_until_idle();
  }
  REQUIRE(!last);
  CHECK(last.error().code == Code::resource_exhausted);
  async::TaskSet waiting(loop);
  waiting.spawn(server.connection.output_drained());
  loop.run_until_idle();
  CHECK(waiting.size() == 1);
  for (int i = 0; i < sent - 1; ++i) REQUIRE(peer.receive());
  loop.run_until_idle();
  CHECK(waiting.size() == 0);
  CHECK(server.connection.notify("tick", {}));
}

TEST_CASE_METHOD(BoundedFixture, "streams that nobody opens cost little, however many are named") {
  peer.send_message(array({0, 1, "wait", array({})}));
  std::string many;
  for (std::uint32_t id = 1; id < 20'000; id += 2) {
    many += wire::encode(array({2, "stream.data", array({map({{"stream", id}, {"data", Bytes{"x"}}})})}));
  }
  CHECK(flood(peer, loop, many, 10 * many.size()) >= 10 * many.size());  // read, and mostly thrown away
  CHECK(server.connection.requests_in_flight() == 1);
}

TEST_CASE_METHOD(LoopFixture, "a thousand connections, most of them bad, and the good ones do not notice") {
  constexpr std::size_t kPeers = 1000;
  struct Pair {
    Pair(async::Loop& loop, std::pair<UniqueFd, UniqueFd> fds)
        : peer(loop, std::move(fds.first)), server(loop, std::move(fds.second), wire::Side::acceptor) {}
    RawPeer peer;
    Endpoint server;
  };
  std::vector<std::unique_ptr<Pair>> pairs;
  for (std::size_t i = 0; i < kPeers; ++i) pairs.push_back(std::make_unique<Pair>(loop, sockets()));
  const std::string request = wire::encode(kEcho);
  for (std::size_t i = 0; i < kPeers; ++i) {
    RawPeer& peer = pairs[i]->peer;
    switch (i % 6) {
      case 0:
        peer.send(request);
        break;
      case 1:
        peer.send(request.substr(0, request.size() / 2));  // and never the rest
        break;
      case 2:
        peer.send("\xdb\xff\xff\xff\xff"s);
        break;
      case 3:
        for (int n = 0; n < 100; ++n) peer.send(wire::encode(array({0, 7, "never", array({})})));
        break;
      case 4:
        peer.send(std::string(1000, '\x91'));
        break;
      default:
        peer.stream().shutdown_write();
        break;
    }
  }
  for (std::size_t i = 0; i < kPeers; i += 6) CHECK(*pairs[i]->peer.receive() == kEchoed);
  // Again, with the others broken, stuck and flooding.
  for (std::size_t i = 0; i < kPeers; i += 6) pairs[i]->peer.send(request);
  for (std::size_t i = 0; i < kPeers; i += 6) CHECK(*pairs[i]->peer.receive() == kEchoed);
}

}  // namespace
}  // namespace swarm::tests
