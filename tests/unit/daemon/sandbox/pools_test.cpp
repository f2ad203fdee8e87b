#include "daemon/sandbox/pools.hpp"

#include <set>

#include "protocol/wire/msgpack.hpp"
#include "world.hpp"

using namespace swarm;
using namespace swarm::sandbox;
using namespace std::chrono_literals;
using sandbox::tests::Create;

namespace {

struct PoolWorld : sandbox::tests::World {
  PoolWorld() {
    config.pools["web"] = {.min_ready = 2, .max_ready = 4, .max_idle = 1min, .health_interval = 10s};
    restart();
  }

  api::PoolInfo pool(const std::string& name = "web") {
    const auto status = sandboxes->pool_status(name);
    REQUIRE(status.has_value());
    return status->pools.front();
  }

  /// Types of what was told about pools and places, in order, with the word that tells them apart.
  std::vector<std::string> told() {
    std::vector<std::string> words;
    for (const store::Event& event : *wait(store->events(1, 1000))) {
      if (event.type.starts_with("sandbox.")) continue;
      const auto data = wire::decode(std::as_bytes(std::span(event.data)), {});
      std::string word = event.type;
      if (const Value* warm = data->find("warm")) word += *warm->as_bool() ? ":warm" : ":cold";
      if (const Value* state = data->find("state")) word += ":" + *state->as_string();
      words.push_back(word);
    }
    return words;
  }
};

}  // namespace

TEST_CASE_METHOD(PoolWorld, "a pool fills up to its least, hands out at once, and fills again") {
  CHECK(pool().ready == 2);
  CHECK(provider.creates == 2);
  const auto first = create();
  REQUIRE(first);
  CHECK(first->from_pool);
  CHECK(pool().ready == 2);
  CHECK(provider.creates == 3);
  const auto claims = sandboxes->pool_status(std::nullopt)->claims;
  CHECK(claims.warm == 1);
  CHECK(claims.cold == 0);
  CHECK(told() == std::vector<std::string>{"pool.claimed:warm"});
}

TEST_CASE_METHOD(PoolWorld, "a claim while none is ready is cold, told with its reason and counted") {
  provider.create_time = 5s;
  REQUIRE(create());
  REQUIRE(create());
  const auto cold = create();
  REQUIRE(cold);
  CHECK_FALSE(cold->from_pool);
  CHECK(sandboxes->pool_status(std::nullopt)->claims.cold == 1);
  CHECK(told() == std::vector<std::string>{"pool.claimed:warm", "pool.claimed:warm", "pool.claimed:cold"});
}

TEST_CASE_METHOD(PoolWorld, "what ended while it waited is told and never handed out") {
  const auto before = sandboxes->list({});
  std::vector<std::string> ids;
  for (const auto& [id, account] : provider.accounts()) ids.push_back(id);
  REQUIRE(ids.size() == 2);
  provider.mute_agent(ids[0]);  // listed and silent: only the probe of the claim can know
  provider.die(ids[1]);
  const auto claimed = create();
  REQUIRE(claimed);
  CHECK(claimed->id != ids[0]);
  CHECK(claimed->id != ids[1]);
  advance(30s);
  CHECK(pool().counters.found_dead == 2);
  CHECK(state_of(ids[0]) == State::gone);
  CHECK(state_of(ids[1]) == State::gone);
  CHECK(std::ranges::count(told(), "pool.dead") == 2);
}

TEST_CASE_METHOD(PoolWorld, "where claims follow each other closely the next one is asked between them") {
  std::set<std::string> known;
  const auto another = [&] {
    REQUIRE(wait(sandboxes->set_pool({.pool = "web", .min_ready = known.size() + 1, .max_ready = 4})));
    settle();
    for (const auto& [id, account] : provider.accounts()) {
      if (known.insert(id).second) return id;
    }
    FAIL("none was made");
    return std::string();
  };
  for (const auto& [id, account] : provider.accounts()) known.insert(id);  // the first two
  const std::string third = another();
  const std::string fourth = another();
  REQUIRE(create());

  SECTION("but not where they do not") {
    advance(1s);
    provider.mute_agent(third);
    REQUIRE(create());
    advance(1s);
    CHECK(pool().counters.found_dead == 0);
  }
  SECTION("one that is silent is found before anybody claims it") {
    provider.mute_agent(third);
    REQUIRE(create());
    advance(1s);
    CHECK(pool().counters.found_dead == 1);
    CHECK(state_of(third) == State::gone);
  }
  SECTION("its answer stands for a moment") {
    REQUIRE(create());
    provider.mute_agent(third);
    CHECK(create()->id == third);
  }
  SECTION("and not for longer") {
    REQUIRE(create());
    provider.mute_agent(third);
    advance(21ms);
    CHECK(create()->id == fourth);
    CHECK(pool().counters.found_dead == 1);
  }
}

TEST_CASE_METHOD(PoolWorld, "what was made is never handed out twice") {
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    const auto claimed = create();
    REQUIRE(claimed);
    CHECK(seen.insert(claimed->id).second);
    if (i % 2 == 0) REQUIRE(wait(sandboxes->kill(claimed->id, {})));
  }
}

TEST_CASE_METHOD(PoolWorld, "one that waits in a pool cannot be used before it is claimed") {
  const std::string id = provider.accounts().begin()->first;
  const auto use = wait(sandboxes->use(id));
  REQUIRE_FALSE(use);
  CHECK(use.error().code == Code::failed_precondition);
  CHECK(use.error().message.find("pool") != std::string::npos);
}

TEST_CASE_METHOD(PoolWorld, "a provider that keeps failing is left alone, tried by one, and trusted again") {
  provider.script = {Create::refused_hard, Create::refused_hard, Create::refused_hard, Create::refused_hard};
  REQUIRE(create());
  REQUIRE(create());
  advance(1s);
  api::PoolInfo open = pool();
  CHECK(open.breaker == api::BreakerState::open);
  CHECK(open.retry_ms.has_value());
  CHECK(open.last_failure.has_value());
  CHECK(open.why.find("failed 3 times") != std::string::npos);
  const int creates = provider.creates;
  advance(3s);
  CHECK(provider.creates == creates);  // left alone
  advance(3s);
  CHECK(provider.creates == creates + 1);  // one probe, which fails
  CHECK(pool().breaker == api::BreakerState::open);
  advance(11s);
  CHECK(pool().breaker == api::BreakerState::closed);
  CHECK(pool().ready == 2);
  const auto words = told();
  CHECK(std::ranges::count(words, "pool.breaker:open") == 2);
  CHECK(std::ranges::count(words, "pool.breaker:half_open") == 2);
  CHECK(std::ranges::count(words, "pool.breaker:closed") == 1);
}

TEST_CASE_METHOD(PoolWorld, "what is set holds at once and after a restart, until it is taken back") {
  const auto set = wait(sandboxes->set_pool({.pool = "web", .min_ready = 3}));
  REQUIRE(set);
  CHECK(set->from == "set");
  settle();
  CHECK(pool().ready == 3);
  restart();
  CHECK(pool().min_ready == 3);
  CHECK(pool().ready == 3);  // the same ones: nothing was made again
  CHECK(provider.creates == 3);
  REQUIRE(wait(sandboxes->set_pool({.pool = "web", .reset = true})));
  CHECK(pool().min_ready == 2);
  CHECK(pool().from == "configuration");
  CHECK(wait(sandboxes->set_pool({.pool = "web", .min_ready = 5})).error().code == Code::invalid_argument);
  CHECK(wait(sandboxes->set_pool({.pool = "wep", .min_ready = 1})).error().message.find("'web'") != std::string::npos);
  CHECK(wait(sandboxes->set_pool({.pool = "x", .template_name = "nope"})).error().code == Code::not_found);
  CHECK(wait(sandboxes->set_pool({.pool = "x", .template_name = "default"})).error().code == Code::already_exists);
}

TEST_CASE_METHOD(PoolWorld, "a pool that no configuration knows is opened, and kept over a restart") {
  config.templates["node"] = {};
  const auto opened = wait(sandboxes->set_pool({.pool = "n", .template_name = "node", .min_ready = 1}));
  REQUIRE(opened);
  settle();
  CHECK(pool("n").ready == 1);
  restart();
  CHECK(pool("n").ready == 1);
  CHECK(create({.template_name = "node"})->from_pool);
}

TEST_CASE_METHOD(PoolWorld, "a drained pool stays empty, also after a restart, until it is warmed") {
  const auto drained = wait(sandboxes->drain_pool("web"));
  REQUIRE(drained);
  CHECK(drained->ended == 2);
  advance(1min);
  CHECK(pool().ready == 0);
  restart();
  CHECK(pool().draining);
  CHECK(provider.running() == 0);
  const auto warm = wait(sandboxes->warm_pool({.pool = "web", .count = 3, .wait = true}));
  REQUIRE(warm);
  CHECK(warm->ready == 3);
  CHECK(warm->warm == 3);
  advance(3min);  // more than are needed are given up after max_idle
  CHECK(pool().ready == 2);
  CHECK(pool().counters.recycled == 1);
  CHECK(wait(sandboxes->warm_pool({.pool = "web", .count = 9})).error().code == Code::out_of_range);
}

TEST_CASE_METHOD(PoolWorld, "warming says why it cannot") {
  provider.script = {Create::refused_hard, Create::refused_hard};
  const auto warm = wait(sandboxes->warm_pool({.pool = "web", .count = 4, .wait = true}));
  REQUIRE_FALSE(warm);
  CHECK(warm.error().message.find("broken") != std::string::npos);
}

TEST_CASE_METHOD(PoolWorld, "one that was being made for the pool when the daemon died is in the pool afterwards") {
  provider.script = {Create::hangs};
  REQUIRE(create());  // and a refill begins, which hangs
  settle();
  CHECK(pool().being_made == 1);
  restart();
  advance(1s);
  CHECK(pool().ready == 2);
  CHECK(provider.running() == 3);  // nothing is left behind that nobody can have
}

TEST_CASE_METHOD(PoolWorld, "sandboxes of a pool that is no longer configured end") {
  config.pools.clear();
  restart();
  settle();
  CHECK(provider.running() == 0);
}

TEST_CASE_METHOD(PoolWorld, "a changed configuration is taken over, except what was set") {
  config.pools["web"].min_ready = 1;
  config.pools["web"].max_idle = 1s;
  sandboxes->reload_pools();
  CHECK(pool().min_ready == 1);
  config.pools.clear();
  sandboxes->reload_pools();
  settle();
  CHECK(pool().draining);
  CHECK(provider.running() == 0);
}

TEST_CASE_METHOD(PoolWorld, "refusals are counted, and told once a second") {
  provider.caps.max_sandboxes = 3;
  restart();
  REQUIRE(create());
  settle();
  REQUIRE(create());
  REQUIRE(create());
  for (int i = 0; i < 5; ++i) CHECK(create().error().code == Code::resource_exhausted);
  advance(2s);
  CHECK(sandboxes->pool_status(std::nullopt)->claims.refused == 5);
  CHECK(std::ranges::count(told(), "capacity.refused") == 1);
  const auto late = create({.queue_ms = 3s});
  CHECK(late.error().code == Code::deadline_exceeded);
  const auto claims = sandboxes->pool_status(std::nullopt)->claims;
  CHECK(claims.waited == 1);
  CHECK(claims.expired == 1);
  CHECK(std::ranges::count(told(), "capacity.waiting") == 1);
  const auto places = sandboxes->pool_status(std::nullopt)->capacity;
  CHECK(places.at(1).used == 3);
  CHECK(places.at(1).limit == 3);
}
