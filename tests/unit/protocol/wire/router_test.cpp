#include "protocol/wire/router.hpp"

#include <catch2/catch.hpp>

#include "protocol/api/agentd.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/api/discover.hpp"
#include "protocol/wire/client.hpp"
#include "tests/fixtures/wire_fixture.hpp"

namespace swarm::tests {

struct AddRequest {
  std::int64_t a = 0;
  std::int64_t b = 0;
  template <class D>
  static void describe(D& d) {
    d.type("AddRequest", "Two numbers.");
    d.field("a", &AddRequest::a, "One.").required();
    d.field("b", &AddRequest::b, "Another.");
  }
};
struct AddReply {
  std::int64_t sum = 0;
  template <class D>
  static void describe(D& d) {
    d.type("AddReply", "Their sum.");
    d.field("sum", &AddReply::sum, "The sum.").required();
  }
};

namespace {

using async::Task;
using wire::CallContext;
using wire::Peer;

constexpr api::Method<AddRequest, AddReply> kAdd{{.name = "test.add", .doc = "Adds.", .caller = api::Caller::both}};
constexpr api::Method<AddRequest, AddReply> kAddSlowly{
    {.name = "test.add_slowly", .doc = "Adds later.", .caller = api::Caller::host, .effect = api::Effect::changes}};
constexpr api::Method<AddRequest, AddReply> kForTunnels{
    {.name = "test.for_tunnels", .doc = "Adds.", .caller = api::Caller::tunnel}};
constexpr api::Method<AddRequest, AddReply> kForDaemons{
    {.name = "test.for_daemons", .doc = "Adds.", .caller = api::Caller::daemon}};
constexpr api::Method<AddRequest, AddReply> kOdd{
    {.name = "test.odd", .doc = "Answers oddly.", .caller = api::Caller::both}};

/// A server with a router on one end, a plain connection on the other.
struct RouterFixture : WirePairFixture {
  RouterFixture() : router({.name = "testd", .version = "1.2.3", .features = {"x", "y"}}, clock) {
    router.bind(kAdd, add);
    router.bind(kForTunnels, add);
    router.bind(kForDaemons, add);
    router.bind(kAddSlowly,
                [this](CallContext& context, AddRequest request) { return slowly(*this, context, request); });
    peer(Peer::Kind::host);
  }
  static Result<AddReply> add(CallContext&, AddRequest request) {
    if (request.a < 0) return fail(Code::out_of_range, "a is negative");
    return AddReply{.sum = request.a + request.b};
  }
  static Task<Result<AddReply>> slowly(RouterFixture& self, CallContext& context, AddRequest request) {
    co_await self.loop.yield();
    if (context.common.idempotency_key) self.keys.push_back(*context.common.idempotency_key);
    co_return add(context, request);
  }
  /// Who the other end is from now on.
  void peer(Peer::Kind kind) {
    from = std::make_unique<wire::PeerHandler>(router, Peer{.kind = kind, .credentials = {}, .sandbox = {}});
    server.handler.on_request = [this](wire::Connection& connection, wire::Incoming incoming) {
      return from->request(connection, std::move(incoming));
    };
    server.handler.on_notification = [this](wire::Connection& connection, wire::Incoming incoming) {
      from->notification(connection, std::move(incoming));
    };
  }

  wire::Router router;
  std::unique_ptr<wire::PeerHandler> from;
  std::vector<std::string> keys;
};

TEST_CASE_METHOD(RouterFixture, "a typed call reaches a plain handler and a task") {
  const auto sum = wait(wire::call(client.connection, kAdd, {.a = 2, .b = 3}));
  REQUIRE(sum);
  CHECK(sum->sum == 5);
  const auto later = wait(wire::call(client.connection, kAddSlowly, {.a = 2, .b = 4}, {.idempotency_key = "k1"}));
  REQUIRE(later);
  CHECK(later->sum == 6);
  CHECK(keys == std::vector<std::string>{"k1"});
  const auto refused = wait(wire::call(client.connection, kAddSlowly, {.a = -1}));
  REQUIRE(!refused);
  CHECK(refused.error().to_string() == "out_of_range: a is negative");
}

TEST_CASE_METHOD(RouterFixture, "wrong arguments are refused with the field") {
  const auto missing = call("test.add", array({map({{"b", 1}})}));
  REQUIRE(!missing);
  CHECK(missing.error().code == Code::invalid_argument);
  CHECK(missing.error().message.find("'a'") != std::string::npos);
  const auto mistyped = call("test.add", array({map({{"a", 1}, {"bb", 1}})}));
  REQUIRE(!mistyped);
  CHECK(mistyped.error().message.find("unknown field 'bb'") != std::string::npos);
  const auto positional = call("test.add", array({1, 2}));
  REQUIRE(!positional);
  CHECK(positional.error().code == Code::invalid_argument);
}

TEST_CASE_METHOD(RouterFixture, "an unknown method names the nearest that this caller may call") {
  const auto unknown = call("test.ad", {});
  REQUIRE(!unknown);
  CHECK(unknown.error().to_string() == "unimplemented: unknown method 'test.ad'; did you mean 'test.add'?");
  const auto hidden = call("test.for_tunnel", {});
  REQUIRE(!hidden);
  CHECK(hidden.error().message.find("for_tunnels") == std::string::npos);
}

TEST_CASE_METHOD(RouterFixture, "each kind of caller reaches its own methods and no other") {
  const Value arguments = array({map({{"a", 1}})});
  const auto code_of = [&](const std::string& method) {
    const auto got = call(method, arguments);
    return got ? std::string("ok") : std::string(code_name(got.error().code));
  };
  for (const Peer::Kind kind : {Peer::Kind::host, Peer::Kind::sandbox, Peer::Kind::daemon}) {
    peer(kind);
    CHECK(code_of("test.add") == "ok");
    CHECK(code_of("test.add_slowly") == (kind == Peer::Kind::host ? "ok" : "permission_denied"));
    CHECK(code_of("test.for_tunnels") == (kind == Peer::Kind::sandbox ? "ok" : "permission_denied"));
    CHECK(code_of("test.for_daemons") == (kind == Peer::Kind::daemon ? "ok" : "permission_denied"));
    // 4 of the router's own, test.add, and the one for this kind.
    CHECK(router.methods_for(kind).size() == 6);
  }
  CHECK(call("test.for_tunnels", arguments).error().message == "'test.for_tunnels' is not for the daemon");
}

TEST_CASE_METHOD(RouterFixture, "rpc.hello chooses how errors are written and tells the common features") {
  const auto hello =
      wait(wire::call(client.connection, api::kRpcHello,
                      {.client = "test", .version = "9", .features = {"y", "z"}, .errors = api::ErrorShape::map}));
  REQUIRE(hello);
  CHECK(hello->server == "testd");
  CHECK(hello->version == "1.2.3");
  CHECK(hello->features == std::vector<std::string>{"y"});
  CHECK(hello->max_frame_bytes == wire::Limits{}.max_frame_bytes);
  CHECK(hello->stream_window_bytes == wire::kInitialCredit);
  CHECK(from->greeting().client == "test");
}

TEST_CASE_METHOD(RouterFixture, "rpc.last_error gives the last failure as a struct and not its own") {
  const auto none = wait(wire::call(client.connection, api::kRpcLastError, {}));
  REQUIRE(!none);
  CHECK(none.error().code == Code::not_found);
  CHECK(wait(wire::call(client.connection, api::kRpcLastError, {})).error().code == Code::not_found);
  REQUIRE(!wait(wire::call(client.connection, kAdd, {.a = -1})));
  const auto last = wait(wire::call(client.connection, api::kRpcLastError, {}));
  REQUIRE(last);
  CHECK(last->method == "test.add");
  CHECK(last->error.code == Code::out_of_range);
  CHECK(last->error.message == "a is negative");
}

TEST_CASE_METHOD(RouterFixture, "rpc.ping and rpc.discover answer") {
  const auto pong = wait(wire::call(client.connection, api::kRpcPing, {.data = array({1, "x"})}));
  REQUIRE(pong);
  CHECK(pong->data == array({1, "x"}));
  const auto all = wait(wire::call(client.connection, api::kRpcDiscover, {.prefix = "test."}));
  REQUIRE(all);
  CHECK(all->methods.size() == 2);
}

TEST_CASE_METHOD(RouterFixture, "an answer of the wrong type is our peer's bug, said so") {
  server.handler.on_request = [](wire::Connection&, wire::Incoming) { return Result<Value>("five"); };
  const auto odd = wait(wire::call(client.connection, kOdd, {.a = 1}));
  REQUIRE(!odd);
  CHECK(odd.error().code == Code::internal);
  CHECK(odd.error().message.starts_with("the answer to test.odd is not what it should be"));
}

TEST_CASE_METHOD(RouterFixture, "a typed call is given up after its time") {
  server.handler.on_request = nullptr;
  constexpr api::Method<api::Empty, api::Empty> never{{.name = "never", .doc = "Never answers."}};
  const auto late = wait(wire::call_with_timeout(client.connection, never, {}, std::chrono::milliseconds(5)));
  REQUIRE(!late);
  CHECK(late.error().to_string() == "deadline_exceeded: never: no answer within 5 ms");
  REQUIRE(until([this] { return server.handler.waiting == 0; }));
}

TEST_CASE_METHOD(RouterFixture, "binding a name twice is a bug") {
  CHECK_THROWS_AS(router.bind(kAdd, add), std::logic_error);
  CHECK_THROWS_AS(
      router.bind(api::kRpcPing, [](CallContext&, api::RpcPingRequest) { return Result<api::RpcPingReply>(); }),
      std::logic_error);
}

TEST_CASE_METHOD(RouterFixture, "notifications are decoded, and wrong ones end the connection") {
  std::vector<std::uint32_t> seen;
  constexpr api::Notification<api::RpcCancel> kSeen{{.name = "test.seen", .doc = "Seen."}};
  router.bind_notification(kSeen, [&seen](CallContext&, api::RpcCancel params) { seen.push_back(params.msgid); });
  REQUIRE(client.connection.notify("test.unknown", {}));
  REQUIRE(client.connection.notify("test.seen", array({map({{"msgid", 7}})})));
  REQUIRE(until([&] { return seen.size() == 1; }));
  CHECK(seen.front() == 7);
  REQUIRE(client.connection.notify("test.seen", array({map({{"msgid", "seven"}})})));
  REQUIRE(until([this] { return server.ended.has_value(); }));
  CHECK(server.ended->message.find("msgid") != std::string::npos);
}

}  // namespace
}  // namespace swarm::tests

namespace swarm::api {
template const TypeInfo& type_of<tests::AddRequest>();
template const TypeInfo& type_of<tests::AddReply>();
}  // namespace swarm::api
