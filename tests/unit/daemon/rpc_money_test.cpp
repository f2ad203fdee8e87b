// The methods of limits, costs, budgets and secrets, over a connection.

#include "daemon/rpc/money.hpp"
#include "protocol/api/budget.hpp"
#include "protocol/api/costs.hpp"
#include "protocol/api/limits.hpp"
#include "protocol/api/secret.hpp"
#include "protocol/wire/client.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/fixtures/wire_fixture.hpp"

using namespace swarm;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Rig : tests::WirePairFixture {
  Rig() {
    const std::array domains = {limits::kLimitsDomain, costs::kCostDomain};
    store =
        must(store::Store::open(loop, {.path = dir / "state/db", .identity = {.program = "test 1"}}, domains, random));
    limiters = std::make_unique<limits::Limiters>(
        limits::Limiters::Setup{.loop = loop, .store = store.get(), .rules = rpc::limit_rules(config), .tell = {}});
    money = std::make_unique<costs::Costs>(
        costs::Costs::Setup{.loop = loop, .store = *store, .boot_id = "boot", .tick = 1h, .enforce = {}});
    config.prices["github"] = {.applies_to = "mcp/github", .call = "0.25"};
    must(wait(money->start(must(costs::price_tables(config.prices)))));
    vault = std::make_unique<secrets::Vault>(
        loop, redactor, secrets::Vault::Places{.stored = dir / "secrets", .credentials = {}},
        std::map<std::string, config::Secret>{}, std::map<std::string, secrets::SecretString>{});
    rpc::add_limits_methods(router, *limiters);
    rpc::add_cost_methods(router, *money);
    rpc::add_budget_methods(router, *money);
    rpc::add_secret_methods(router, *vault);
    server.handler.on_request = [this](wire::Connection& connection, wire::Incoming incoming) {
      return from.request(connection, std::move(incoming));
    };
  }
  ~Rig() {
    money.reset();
    limiters.reset();
    store.reset();
  }
  template <class Req, class Res>
  Result<Res> ask(const api::Method<Req, Res>& method, Req request = {}) {
    return wait(wire::call(client.connection, method, std::move(request)));
  }
  void call_github(int calls, const std::string& agent) {
    must(wait(store->write("test", store::Durability::process, [this, calls, agent](store::Changes& changes) {
      return money->meter().record(changes,
                                   {.kind = costs::Kind::call,
                                    .source = "",
                                    .at = changes.now(),
                                    .owner = {.swarm = "swm_a", .agent = agent, .provider = "mcp", .item = "github"},
                                    .calls = calls});
    })));
  }
  static async::Task<Result<std::string>> read_all(std::unique_ptr<wire::ByteSource> source) {
    std::string all;
    for (;;) {
      Result<std::optional<std::string>> chunk = co_await source->read();
      if (!chunk) co_return fail(chunk.error());
      if (!*chunk) co_return all;
      all += **chunk;
    }
  }
  static async::Task<> keep(async::Task<Result<std::string>> task, std::string& out) {
    Result<std::string> got = co_await std::move(task);
    if (got) out = *got;
  }
  std::string exported(api::CostFormat format, std::uint64_t entries) {
    const std::uint32_t id = client.connection.new_stream_id();
    std::unique_ptr<wire::ByteSource> source = must(client.connection.open_source(id));
    std::string text;
    async::TaskSet reading(loop);
    reading.spawn(keep(read_all(std::move(source)), text));
    CHECK(must(ask(api::kCostExport, {.content = id, .format = format})).entries == entries);
    loop.block_on(reading.join());
    return text;
  }

  test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  SystemRandom random;
  config::Config config;
  secrets::Redactor redactor;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<limits::Limiters> limiters;
  std::unique_ptr<costs::Costs> money;
  std::unique_ptr<secrets::Vault> vault;
  wire::Router router{{.name = "swarmd", .version = "1", .features = {}}, clock};
  wire::PeerHandler from{router, wire::Peer{.kind = wire::Peer::Kind::host, .credentials = {}, .sandbox = {}}};
};

}  // namespace

TEST_CASE_METHOD(Rig, "limits are listed, set and reset, one by one") {
  const auto set = must(ask(api::kLimitsSet, {.key = "mcp/github", .rate = "100/min"}));
  CHECK(set.rate == "100/min");
  CHECK(set.burst == 10);  // as it was
  CHECK(set.from == "set");
  CHECK(must(ask(api::kLimitsList, {.prefix = "mcp/"})).limits.size() == 1);
  CHECK(must(ask(api::kLimitsReset, {.key = "mcp/github"})).rate == "60/min");
  CHECK(ask(api::kLimitsReset, {.key = "mcp/github"}).error().code == Code::not_found);
  CHECK_FALSE(ask(api::kLimitsSet, {.key = "mcp/github", .rate = "fast"}));
  CHECK_FALSE(must(ask(api::kLimitsSet, {.key = "mcp/github", .unlimited = true})).rate);
  CHECK(must(ask(api::kLimitsList)).limits.size() >= 4);
}

TEST_CASE_METHOD(Rig, "costs are summed, exported and estimated") {
  call_github(3, "agent-0");
  call_github(1, "=cmd,\"x\"");
  const auto sum = must(ask(api::kCostSummary, {.by = api::CostGroup::agent}));
  CHECK(sum.total.usd == "1");
  REQUIRE(sum.lines.size() == 2);
  CHECK(sum.lines[0].key == "agent-0");
  CHECK(sum.lines[0].usd == "0.75");
  CHECK(must(ask(api::kCostSummary, {.filter = {.agent = "agent-0"}})).total.calls == 3);
  const std::string csv = exported(api::CostFormat::csv, 2);
  CHECK_THAT(csv, Contains("id,start_us,start,kind,swarm,agent") && Contains(",swm_a,agent-0,") &&
                      Contains("\"'=cmd,\"\"x\"\"\"") && Contains(",github,0.75\r\n"));
  const std::string json = exported(api::CostFormat::json, 2);
  CHECK_THAT(json, Contains(R"("agent":"agent-0")") && Contains(R"("usd":"0.25"})"));

  const auto estimate = must(ask(api::kCostEstimate, {.memory_bytes = 4ULL << 30U, .duration_ms = 5min}));
  CHECK(estimate.usd == "0.0138");
  CHECK(estimate.arithmetic == "2 vCPU x 300 s x $0.000014 + 4 GiB x 300 s x $0.0000045 = $0.0138");
  CHECK(must(ask(api::kCostEstimate, {.provider = "local", .duration_ms = 5min})).arithmetic == "free");
  CHECK(must(ask(api::kCostPrices)).prices.size() == 3);
}

TEST_CASE_METHOD(Rig, "a long ledger is exported in pages, every entry once") {
  std::vector<costs::Entry> entries(5000);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].start_us = 1'800'000'000'000'000 + static_cast<std::int64_t>(i / 3000);  // thousands at one moment
    entries[i].calls = 1;
  }
  must(wait(store->write("test", store::Durability::process, [entries](store::Changes& changes) -> Result<void> {
    const auto booked = costs::book(changes.db(), entries);
    return booked ? Result<void>() : Result<void>(fail(booked.error()));
  })));
  const std::string csv = exported(api::CostFormat::csv, 5000);
  CHECK(std::ranges::count(csv, '\n') == 5001);
}

TEST_CASE_METHOD(Rig, "budgets are set, listed with their forecast, and removed") {
  call_github(4, "agent-0");
  const auto budget = must(ask(api::kBudgetSet, {.name = "b", .swarm = "swm_a", .amount_usd = "1.25"}));
  CHECK(budget.spent_usd == "1");
  CHECK(budget.spent_percent == 80);
  CHECK(budget.reached == api::BudgetLevel::warn);
  CHECK(budget.hourly_usd == "4");  // of the last quarter of an hour
  CHECK_THAT(budget.forecast, Contains("at this rate ($4 an hour) the budget ends at "));
  CHECK(must(ask(api::kBudgetList)).budgets.size() == 1);
  CHECK(ask(api::kBudgetSet, {.name = "c", .amount_usd = "much"}).error().code == Code::invalid_argument);
  must(ask(api::kBudgetRemove, {.name = "b"}));
  CHECK(ask(api::kBudgetRemove, {.name = "b"}).error().code == Code::not_found);
}

TEST_CASE_METHOD(Rig, "secrets go in and never come out") {
  must(ask(api::kSecretSet, {.name = "github", .value = Bytes{"ghp_abcdefghijklmnop"}}));
  const auto listed = must(ask(api::kSecretList)).secrets;
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].name == "github");
  CHECK(listed[0].origin == "stored");
  CHECK(must(ask(api::kSecretCheck, {.name = "github"})).available);
  must(ask(api::kSecretRemove, {.name = "github"}));
  CHECK(ask(api::kSecretCheck, {.name = "github"}).error().code == Code::not_found);
}
