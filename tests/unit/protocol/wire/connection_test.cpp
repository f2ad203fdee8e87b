#include "protocol/wire/connection.hpp"

#include <catch2/catch.hpp>

#include "tests/fixtures/wire_fixture.hpp"

namespace swarm::tests {
namespace {

using async::Task;
using async::TaskSet;

Task<> keep(Task<Result<Value>> task, std::optional<Result<Value>>& out) { out.emplace(co_await std::move(task)); }

TEST_CASE_METHOD(WirePairFixture, "a call is answered") {
  const Result<Value> got = call("echo", array({map({{"text", "hello"}, {"n", 7}})}));
  REQUIRE(got);
  CHECK(*got == array({map({{"text", "hello"}, {"n", 7}})}));
}

TEST_CASE_METHOD(WirePairFixture, "the peer's error comes back with its code and message") {
  for (const wire::ErrorShape shape : {wire::ErrorShape::pair, wire::ErrorShape::map}) {
    server.connection.set_error_shape(shape);
    const Result<Value> got = call("ecko", {});
    REQUIRE(!got);
    CHECK(got.error().code == Code::unimplemented);
    CHECK(got.error().message == "unknown method 'ecko'");
  }
  REQUIRE(server.connection.last_error());
  CHECK(server.connection.last_error()->method == "ecko");
  CHECK(server.connection.last_error()->error.code == Code::unimplemented);
}

TEST_CASE_METHOD(WirePairFixture, "an exception in a handler is an internal error and the connection goes on") {
  const Result<Value> got = call("throw", {});
  REQUIRE(!got);
  CHECK(got.error().code == Code::internal);
  CHECK(got.error().message.find("thrown by the handler") != std::string::npos);
  CHECK(call("echo", 1));
}

TEST_CASE_METHOD(WirePairFixture, "requests are answered out of order, in both directions at once") {
  std::optional<Result<Value>> slow;
  std::optional<Result<Value>> back;
  TaskSet calls(loop);
  calls.spawn(keep(client.connection.call("wait", 1), slow));
  calls.spawn(keep(server.connection.call("wait", 2), back));
  REQUIRE(call("echo", 3));
  REQUIRE(until([this] { return server.handler.waiting == 1 && client.handler.waiting == 1; }));
  CHECK(!slow);
  server.handler.gate.set();
  client.handler.gate.set();
  REQUIRE(until([&] { return slow && back; }));
  CHECK(**slow == Value(1));
  CHECK(**back == Value(2));
}

TEST_CASE_METHOD(WirePairFixture, "a thousand calls at once all get their own answer") {
  std::vector<std::optional<Result<Value>>> answers(1000);
  TaskSet calls(loop);
  for (int i = 0; i < 1000; ++i) {
    calls.spawn(keep(client.connection.call(i % 3 == 0 ? "wait" : "echo", i), answers[static_cast<std::size_t>(i)]));
  }
  REQUIRE(until([this] { return server.handler.waiting == 334; }));
  server.handler.gate.set();
  REQUIRE(until([&] { return calls.size() == 0; }));
  for (int i = 0; i < 1000; ++i) {
    const auto& answer = answers[static_cast<std::size_t>(i)];
    REQUIRE(answer);
    REQUIRE(*answer);
    CHECK(**answer == Value(i));
  }
  CHECK(server.connection.requests_in_flight() == 0);
}

TEST_CASE_METHOD(WirePairFixture, "dropping a call cancels it at the peer") {
  {
    std::optional<Result<Value>> never;
    TaskSet calls(loop);
    calls.spawn(keep(client.connection.call("never", {}), never));
    REQUIRE(until([this] { return server.handler.waiting == 1; }));
  }
  REQUIRE(until([this] { return server.handler.waiting == 0; }));
  CHECK(server.connection.last_error()->error.code == Code::cancelled);
  CHECK(call("echo", 1));  // the late answer disturbs nothing
}

TEST_CASE_METHOD(WirePairFixture, "a call is sent before it is awaited, and cancelled when it never is") {
  async::Task<Result<Value>> kept = client.connection.call("never", 1);
  REQUIRE(until([this] { return server.handler.waiting == 1; }));
  kept.reset();
  REQUIRE(until([this] { return server.handler.waiting == 0; }));
  const async::Task<Result<Value>> dropped = client.connection.call("never", 2);
  client.connection.close({.code = Code::cancelled, .message = "enough"});
  REQUIRE(until([this] { return client.ended && server.ended; }));
  CHECK(server.handler.requests == 2);
}

TEST_CASE_METHOD(WirePairFixture, "notifications arrive in order and are not answered") {
  for (int i = 0; i < 100; ++i) REQUIRE(client.connection.notify("tick", i));
  REQUIRE(until([this] { return server.handler.notifications.size() == 100; }));
  for (int i = 0; i < 100; ++i) CHECK(server.handler.notifications[static_cast<std::size_t>(i)].params == Value(i));
}

TEST_CASE_METHOD(WirePairFixture, "a peer that goes fails the calls that wait and drops the handlers' work") {
  std::optional<Result<Value>> ours;
  std::optional<Result<Value>> theirs;
  TaskSet calls(loop);
  calls.spawn(keep(client.connection.call("never", {}), ours));
  calls.spawn(keep(server.connection.call("never", {}), theirs));
  REQUIRE(until([this] { return server.handler.waiting == 1 && client.handler.waiting == 1; }));
  client.connection.close({.code = Code::cancelled, .message = "enough"});
  REQUIRE(until([&] { return client.ended && server.ended && ours && theirs; }));
  CHECK(client.ended->message == "enough");
  CHECK(server.ended->code == Code::unavailable);
  CHECK(ours->error().code == Code::unavailable);
  CHECK(theirs->error().code == Code::unavailable);
  CHECK(server.handler.waiting == 0);
  CHECK(client.handler.waiting == 0);
  CHECK(client.connection.notify("x", {}).error().code == Code::unavailable);
  CHECK(call("echo", 1).error().code == Code::unavailable);
}

TEST_CASE_METHOD(WirePairFixture, "a handler may close its own connection, and its answer still goes out") {
  server.handler.on_request = [](wire::Connection& connection, wire::Incoming) -> wire::Reply {
    connection.close({.code = Code::cancelled, .message = "bye"});
    return Result<Value>("last words");
  };
  const Result<Value> got = call("x", {});
  REQUIRE(got);
  CHECK(*got == Value("last words"));
  REQUIRE(until([this] { return client.ended && server.ended; }));
}

TEST_CASE_METHOD(LoopFixture, "a connection may be destroyed while calls wait for it") {
  auto fds = sockets();
  std::optional<Result<Value>> answer;
  TaskSet calls(loop);
  {
    Endpoint client(loop, std::move(fds.first), wire::Side::dialer);
    calls.spawn(keep(client.connection.call("x", {}), answer));
    loop.run_until_idle();
  }
  loop.run_until_idle();
  REQUIRE(answer);
  CHECK(answer->error().code == Code::unavailable);
}

}  // namespace
}  // namespace swarm::tests
