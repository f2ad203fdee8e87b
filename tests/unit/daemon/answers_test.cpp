// Calls with an idempotency key, through the router and the daemon's book, over a connection.

#include "daemon/rpc/answers.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/store/core_schema.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/router.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/fixtures/wire_fixture.hpp"

namespace swarm::tests {

struct PayRequest {
  std::string to;
  std::optional<std::uint32_t> receipt;
  template <class D>
  static void describe(D& d) {
    d.type("PayRequest", "Whom.");
    d.field("to", &PayRequest::to, "Whom.").required();
    d.field("receipt", &PayRequest::receipt, "A stream.").min(1).stream(api::StreamUse::to_caller);
  }
};
struct PayReply {
  std::int64_t number = 0;
  template <class D>
  static void describe(D& d) {
    d.type("PayReply", "Which payment.");
    d.field("number", &PayReply::number, "Counted from 1.").required();
  }
};

namespace {

using Catch::Matchers::Contains;
using wire::CallContext;
using wire::Peer;

constexpr api::Method<PayRequest, PayReply> kPay{{.name = "test.pay", .doc = "Pays.", .effect = api::Effect::changes}};
constexpr api::Method<PayRequest, PayReply> kPaySlowly{
    {.name = "test.pay_slowly", .doc = "Pays later.", .effect = api::Effect::changes}};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// A daemon that pays: `start` and `crash` are those of its process, the store stays.
struct Rig : WirePairFixture {
  Rig() : released(loop) {
    server.handler.on_request = [this](wire::Connection& connection, wire::Incoming incoming) {
      return from->request(connection, std::move(incoming));
    };
    start();
  }
  ~Rig() { crash(); }

  void start() {
    store = must(store::Store::open(loop, {.path = dir / "db", .identity = {.program = "test 1"}}, {}, random));
    book = std::make_unique<rpc::Answers>(loop, *store);
    router = std::make_unique<wire::Router>(wire::ServerInfo{.name = "testd", .version = "1", .features = {}}, clock,
                                            book.get());
    router->bind(kPay, [this](CallContext& call, PayRequest request) { return pay(call, request); });
    router->bind(kPaySlowly,
                 [this](CallContext& call, PayRequest request) { return later(*this, call, std::move(request)); });
    as(1000);
  }
  void crash() {
    if (from) from->drop_calls();
    from.reset();
    router.reset();
    book.reset();
    store.reset();
  }
  void as(uid_t uid) {
    if (from) from->drop_calls();
    from = std::make_unique<wire::PeerHandler>(
        *router,
        Peer{.kind = Peer::Kind::host, .credentials = transport::PeerCredentials{.pid = 1, .uid = uid, .gid = 1}});
  }
  Result<PayReply> pay(CallContext& call, const PayRequest& request) {
    if (request.to == "nobody") return fail(Code::not_found, "there is no nobody");
    if (request.to == "bank") return fail(Code::unavailable, "the bank does not answer");
    if (request.to == "closed bank") {
      call.nothing_done();
      return fail(Code::unavailable, "the bank is closed");
    }
    return PayReply{.number = ++paid};
  }
  static async::Task<Result<PayReply>> later(Rig& rig, CallContext& call, PayRequest request) {
    ++rig.waiting;
    co_await rig.released.wait();
    co_return rig.pay(call, request);
  }
  Result<PayReply> ask(const api::Method<PayRequest, PayReply>& method, std::string to, const std::string& key,
                       std::optional<std::uint32_t> receipt = {}) {
    return wait(
        wire::call(client.connection, method, {.to = std::move(to), .receipt = receipt}, {.idempotency_key = key}));
  }
  async::Task<Result<PayReply>> slowly(std::string to, const std::string& key) {
    return wire::call(client.connection, kPaySlowly, {.to = std::move(to)}, {.idempotency_key = key});
  }

  test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  SystemRandom random;
  async::Event released;
  int paid = 0;
  int waiting = 0;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<rpc::Answers> book;
  std::unique_ptr<wire::Router> router;
  std::unique_ptr<wire::PeerHandler> from;
};

TEST_CASE_METHOD(Rig, "the same key pays once, and others pay for themselves") {
  CHECK(ask(kPay, "ann", "k1")->number == 1);
  CHECK(ask(kPay, "ann", "k1")->number == 1);
  CHECK(ask(kPay, "ann", "k2")->number == 2);
  as(1001);
  CHECK(ask(kPay, "ann", "k1")->number == 3);
  as(1000);
  CHECK(ask(kPay, "ann", "k1")->number == 1);
  crash();
  start();
  CHECK(ask(kPay, "ann", "k1")->number == 1);
  CHECK(paid == 3);
}

TEST_CASE_METHOD(Rig, "a key is for one method and one set of arguments") {
  must(ask(kPay, "ann", "k1"));
  const auto other = ask(kPay, "bob", "k1");
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Code::invalid_argument);
  CHECK_THAT(other.error().message, Contains("other arguments"));
  CHECK_THAT(ask(kPaySlowly, "ann", "k1").error().message, Contains("was used for test.pay before"));
  CHECK(paid == 1);
}

TEST_CASE_METHOD(Rig, "a refusal changes nothing and leaves the key new") {
  CHECK(ask(kPay, "nobody", "k1").error().code == Code::not_found);
  CHECK(ask(kPay, "ann", "k1")->number == 1);
  CHECK(ask(kPay, "closed bank", "k2").error().code == Code::unavailable);
  CHECK(ask(kPay, "closed bank", "k2").error().message == "the bank is closed");
}

TEST_CASE_METHOD(Rig, "a failure that leaves open what was done is not tried again") {
  CHECK(ask(kPay, "bank", "k1").error().code == Code::unavailable);
  const auto again = ask(kPay, "bank", "k1");
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Code::failed_precondition);
  CHECK_THAT(again.error().message, Contains("unavailable: the bank does not answer"));
}

TEST_CASE_METHOD(Rig, "a call that was cut off by a crash is never made a second time") {
  async::TaskSet asking(loop);
  std::optional<Result<PayReply>> lost;
  asking.spawn([](async::Task<Result<PayReply>> call, std::optional<Result<PayReply>>& out) -> async::Task<> {
    out = co_await std::move(call);
  }(slowly("ann", "k1"), lost));
  REQUIRE(until([this] { return waiting == 1; }));
  crash();
  start();
  const auto again = ask(kPaySlowly, "ann", "k1");
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Code::failed_precondition);
  CHECK_THAT(again.error().message, Contains("the daemon ended, or gave it up, before its answer"));
  CHECK(paid == 0);
  CHECK(waiting == 1);
}

TEST_CASE_METHOD(Rig, "a second call waits for the first one's answer") {
  async::TaskSet asking(loop);
  std::vector<std::int64_t> numbers;
  const auto keep = [](async::Task<Result<PayReply>> call, std::vector<std::int64_t>& out) -> async::Task<> {
    const auto reply = co_await std::move(call);
    out.push_back(reply ? reply->number : -1);
  };
  asking.spawn(keep(slowly("ann", "k1"), numbers));
  asking.spawn(keep(slowly("ann", "k1"), numbers));
  REQUIRE(until([this] { return waiting == 1 && from->keyed_calls() == 2; }));
  CHECK(ask(kPay, "ann", "k1").error().code == Code::invalid_argument);
  released.set();
  REQUIRE(until([&] { return numbers.size() == 2; }));
  CHECK(numbers == std::vector<std::int64_t>{1, 1});
  CHECK(paid == 1);
}

TEST_CASE_METHOD(Rig, "a caller that gives up can come back for the answer") {
  {
    async::TaskSet asking(loop);
    asking.spawn([](async::Task<Result<PayReply>> call) -> async::Task<> {
      const auto reply = co_await std::move(call);
      static_cast<void>(reply);
    }(slowly("ann", "k1")));
    REQUIRE(until([this] { return waiting == 1; }));
  }
  REQUIRE(until([this] { return server.connection.requests_in_flight() == 0; }));  // rpc.cancel has arrived
  CHECK(from->keyed_calls() == 1);
  released.set();
  loop.block_on(from->settled());
  CHECK(ask(kPaySlowly, "ann", "k1")->number == 1);
  CHECK(paid == 1);
}

TEST_CASE_METHOD(Rig, "a call with a stream takes no key") {
  const auto refused = ask(kPay, "ann", "k1", 1);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::invalid_argument);
  CHECK_THAT(refused.error().message, Contains("'receipt' cannot be given with idempotency_key"));
  CHECK(paid == 0);
  CHECK(ask(kPay, "ann", "k1")->number == 1);
}

}  // namespace
}  // namespace swarm::tests

namespace swarm::api {
template const TypeInfo& type_of<tests::PayRequest>();
template const TypeInfo& type_of<tests::PayReply>();
}  // namespace swarm::api
