#include "daemon/steward/steward.hpp"

#include <rapidcheck/catch.h>

#include "daemon/steward/enforcer.hpp"
#include "daemon/steward/limited_provider.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/scripted_provider.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::sandbox;
using namespace std::chrono_literals;
using Create = tests::ScriptedProvider::Create;

namespace {

/// Sandboxes whose provider keeps an account of its own, and a ledger that must say the same.
struct World : tests::FakeTimeFixture {
  test::TemporaryDirectory directory{test::TemporaryDirectory::On::memory};
  SeededRandom random{4711};
  config::Config config;
  tests::ScriptedProvider scripted{loop, random};
  wire::SessionBudget budget{loop, std::size_t{64} << 20U};
  wire::Router tunnel_router{{.name = "swarmd", .version = "0.1.0", .features = {}}, clock};
  TunnelSetup tunnels{.instance = wire::InstanceId::make(random),
                      .version = {.major = 0, .minor = 1},
                      .features = {},
                      .budget = budget,
                      .limits = {},
                      .session = {}};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<steward::Enforcer> enforcer;
  std::unique_ptr<limits::Limiters> limiters;
  std::unique_ptr<costs::Costs> costs;
  std::unique_ptr<steward::AccountSteward> steward;
  std::unique_ptr<steward::LimitedProvider> provider;
  std::unique_ptr<Sandboxes> sandboxes;
  std::vector<limits::Rule> rules;

  World() {
    config.sandbox.provider = {"scripted"};
    config.sandbox.lease = 24h;
    scripted.caps.bills_paused = false;
    config.sandbox.cpus = 2;
    config.sandbox.memory = {4ULL << 30U};
  }
  ~World() { stop(); }

  void start() {
    const std::array domains = {kSandboxDomain, kPoolDomain, limits::kLimitsDomain, costs::kCostDomain};
    auto opened =
        store::Store::open(loop, {.path = directory / "db", .identity = {.program = "test 1"}}, domains, random);
    if (!opened) throw std::runtime_error(opened.error().to_string());
    store = std::move(*opened);
    enforcer = std::make_unique<steward::Enforcer>(loop, *store);
    limiters = std::make_unique<limits::Limiters>(
        limits::Limiters::Setup{.loop = loop, .store = store.get(), .rules = rules, .tell = {}});
    costs = std::make_unique<costs::Costs>(
        costs::Costs::Setup{.loop = loop,
                            .store = *store,
                            .boot_id = "boot-1",
                            .tick = 1s,
                            .enforce = [this](const costs::Action& action) { enforcer->act(action); },
                            .watching = [this] { return sandboxes != nullptr && sandboxes->watching(); }});
    steward = std::make_unique<steward::AccountSteward>(*costs, *limiters, "cost");
    provider = std::make_unique<steward::LimitedProvider>(scripted, *limiters, clock);
    must(wait(
        costs->start({{.name = "test", .applies_to = "scripted/*", .prices = {.sandbox_hour = 3'600'000'000'000}}})));
    sandboxes = std::make_unique<Sandboxes>(Surroundings{.loop = loop,
                                                         .store = *store,
                                                         .random = random,
                                                         .config = config,
                                                         .tunnels = tunnels,
                                                         .providers = {provider.get()},
                                                         .tunnel_router = tunnel_router,
                                                         .steward = steward.get()});
    must(wait(sandboxes->recover()));
    enforcer->attach(sandboxes.get());
    loop.run_until_idle();
  }
  void stop() {
    if (enforcer) enforcer->attach(nullptr);
    sandboxes.reset();
    provider.reset();
    steward.reset();
    costs.reset();
    limiters.reset();
    enforcer.reset();
    store.reset();
  }
  /// The daemon dies between two steps; the provider does not.
  void restart() {
    stop();
    tunnels.instance = wire::InstanceId::make(random);
    start();
  }

  template <class T>
  static T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().to_string());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
  template <class T>
  T wait(async::Task<T> task) {
    std::optional<T> out;
    async::TaskSet set(loop);
    set.spawn(keep(std::move(task), out));
    loop.run_until_idle();
    for (int i = 0; i < 10'000 && !out; ++i) advance(100ms);
    if (!out) throw std::runtime_error("it did not come to an end");
    return std::move(*out);
  }
  template <class T>
  static async::Task<> keep(async::Task<T> task, std::optional<T>& out) {
    out.emplace(co_await std::move(task));
  }

  Result<api::SandboxInfo> create(std::string swarm = "swm_a") {
    return wait(sandboxes->create({.swarm = std::move(swarm)}, std::nullopt));
  }
  State state_of(const std::string& id) { return wait(sandboxes->info(id))->state; }

  /// What the ledger says of each sandbox: nanoseconds, and by how much they may be wrong.
  struct Booked {
    Int128 ns = 0;
    Int128 bound_ns = 0;
  };
  std::map<std::string, Booked> booked() {
    std::map<std::string, Booked> all;
    for (const auto& row : must(wait(costs->page({}, INT64_MIN, 0, 100'000))).rows) {
      all[row.entry.owner.sandbox].ns += row.entry.ns;
      all[row.entry.owner.sandbox].bound_ns += row.entry.bound_ns;
    }
    return all;
  }
};

}  // namespace

TEST_CASE_METHOD(World, "a life costs what it ran, pauses left out, once, also over a restart") {
  start();
  const auto made = create();
  REQUIRE(made);
  advance(10s);
  World::must(wait(sandboxes->pause(made->id)));
  advance(100s);
  restart();
  advance(100s);
  World::must(wait(sandboxes->resume(made->id)));
  advance(5s);
  restart();
  advance(2s);
  World::must(wait(sandboxes->kill(made->id, {})));
  const auto all = booked();
  REQUIRE(all.size() == 1);
  CHECK((all.at(made->id).ns == scripted.accounts().at(made->id).ran.count()));
  CHECK((all.at(made->id).ns >= Duration(17s).count()));
  CHECK((all.at(made->id).ns < Duration(18s).count()));
  CHECK((all.at(made->id).bound_ns == 0));
  CHECK(wait(costs->summary({.by = costs::GroupBy::swarm}))->lines.at(0).swarm == "swm_a");
}

TEST_CASE_METHOD(World, "a provider that charges for pauses is paid for them") {
  scripted.caps.bills_paused = true;
  start();
  const auto made = create();
  REQUIRE(made);
  World::must(wait(sandboxes->pause(made->id)));
  advance(100s);
  World::must(wait(sandboxes->kill(made->id, {})));
  CHECK((booked().at(made->id).ns >= Duration(100s).count()));
  CHECK((booked().at(made->id).ns < Duration(101s).count()));
}

TEST_CASE_METHOD(World, "what takes time at the provider is counted within a bound that says so") {
  scripted.caps.bills_paused = false;
  scripted.create_time = 3s;
  scripted.call_time = 500ms;
  start();
  const auto made = create();
  REQUIRE(made);
  advance(10s);
  World::must(wait(sandboxes->pause(made->id)));
  advance(50s);
  World::must(wait(sandboxes->resume(made->id)));
  advance(10s);
  World::must(wait(sandboxes->kill(made->id, {})));
  const Booked all = booked().at(made->id);
  const Int128 truth = scripted.accounts().at(made->id).ran.count();
  CHECK((all.bound_ns > 0));
  CHECK((all.bound_ns <= Duration(3s + 1s + 1s + 1s + 1s).count()));
  CHECK((all.ns - all.bound_ns <= truth));
  CHECK((truth <= all.ns + all.bound_ns));
}

TEST_CASE_METHOD(World, "where the provider tells its times they hold, to the microsecond") {
  scripted.tells_times = true;
  scripted.create_time = 3s;
  scripted.call_time = 700ms;
  start();
  const auto made = create();
  REQUIRE(made);
  advance(1234567us);
  restart();
  advance(10s);
  World::must(wait(sandboxes->kill(made->id, {})));
  const Booked all = booked().at(made->id);
  CHECK((all.ns == scripted.accounts().at(made->id).ran.count()));
  CHECK((all.bound_ns == 0));
}

TEST_CASE_METHOD(World, "what died while the daemon was down is an estimate, and turns no second into two") {
  start();
  const auto made = create();
  REQUIRE(made);
  advance(60s);
  stop();
  advance(20s);
  scripted.die(made->id);
  advance(20s);
  tunnels.instance = wire::InstanceId::make(random);
  start();
  advance(200s);
  CHECK(state_of(made->id) == State::gone);
  const Booked all = booked().at(made->id);
  const Int128 truth = Duration(80s).count();
  CHECK((all.bound_ns >= Duration(20s).count()));
  CHECK((all.bound_ns <= Duration(30s).count()));
  CHECK((all.ns - all.bound_ns <= truth));
  CHECK((truth <= all.ns + all.bound_ns));
}

TEST_CASE_METHOD(World, "a pause and a resume that a crash cut off are finished, and counted") {
  scripted.caps.bills_paused = false;
  scripted.call_time = 1s;
  start();
  const auto made = create();
  REQUIRE(made);
  advance(10s);
  SECTION("a pause") {
    async::TaskSet set(loop);
    std::optional<Result<api::SandboxInfo>> out;
    set.spawn(keep(sandboxes->pause(made->id), out));
    advance(500ms);  // the provider has not done it yet
    set.cancel_all();
    restart();
    advance(5s);
    CHECK(state_of(made->id) == State::paused);
    CHECK(scripted.accounts().at(made->id).paused);
  }
  SECTION("a resume") {
    World::must(wait(sandboxes->pause(made->id)));
    async::TaskSet set(loop);
    std::optional<Result<api::SandboxInfo>> out;
    set.spawn(keep(sandboxes->resume(made->id), out));
    advance(1500ms);  // done, and not yet answered
    CHECK_FALSE(scripted.accounts().at(made->id).paused);
    set.cancel_all();
    restart();
    advance(5s);
    CHECK(state_of(made->id) == State::paused);
    CHECK(scripted.accounts().at(made->id).paused);
  }
  advance(100s);
  World::must(wait(sandboxes->kill(made->id, {})));
  const Booked all = booked().at(made->id);
  const Int128 truth = scripted.accounts().at(made->id).ran.count();
  CHECK((all.ns - all.bound_ns <= truth));
  CHECK((truth <= all.ns + all.bound_ns));
  CHECK((all.bound_ns < Duration(10s).count()));
}

TEST_CASE_METHOD(World, "one whose create was never answered and that is listed late is ended, and billed once") {
  scripted.tells_times = true;
  scripted.list_lag = 90s;  // though it promises to list at once
  scripted.script = {Create::lost_made};
  start();
  const auto refused = create();
  CHECK_FALSE(refused);
  REQUIRE(scripted.accounts().size() == 1);
  const std::string id = scripted.accounts().begin()->first;
  CHECK(state_of(id) == State::failed);
  SECTION("at once") { advance(200s); }
  SECTION("though it cannot be ended for a while, and the daemon dies meanwhile") {
    scripted.kill_failures = 2;
    advance(125s);
    CHECK(scripted.running() == 1U);
    restart();
    advance(100s);
  }
  SECTION("though it has ended by itself between the list and the restart") {
    scripted.kill_failures = 2;
    advance(125s);
    stop();
    scripted.die(id);
    tunnels.instance = wire::InstanceId::make(random);
    start();
    advance(100s);
  }
  CHECK(scripted.running() == 0U);
  const Booked all = booked().at(id);
  CHECK((all.ns == scripted.accounts().at(id).ran.count()));
  CHECK((all.ns > Duration(90s).count()));
  advance(200s);
  CHECK((booked().at(id).ns == all.ns));
}

TEST_CASE_METHOD(
    World, "what was asked for, never answered and never listed is nothing, within the time that it may have been") {
  scripted.script = {Create::lost_not_made};
  scripted.create_time = 3s;
  start();
  CHECK_FALSE(create());
  const auto all = booked();
  REQUIRE(all.size() == 1);
  CHECK((all.begin()->second.ns == 0));
  CHECK((all.begin()->second.bound_ns >= Duration(3s).count()));
  CHECK((all.begin()->second.bound_ns < Duration(4s).count()));
}

TEST_CASE_METHOD(World, "a pause that failed is in doubt until a list tells what came of it") {
  start();
  const auto made = create();
  REQUIRE(made);
  advance(10s);
  scripted.call_time = 1s;
  std::optional<Result<void>> out;
  {
    async::TaskSet given_up(loop);
    given_up.spawn(keep(scripted.pause(made->id), out));
    advance(2s);  // it came about, behind the daemon's back
  }
  REQUIRE(scripted.accounts().at(made->id).paused);
  advance(100s);
  CHECK_FALSE(scripted.accounts().at(made->id).paused);
  advance(10s);
  World::must(wait(sandboxes->kill(made->id, {})));
  const Booked all = booked().at(made->id);
  const Int128 truth = scripted.accounts().at(made->id).ran.count();
  CHECK((all.ns - all.bound_ns <= truth));
  CHECK((truth <= all.ns + all.bound_ns));
}

TEST_CASE_METHOD(World, "a list that goes on showing what has ended proves nothing of the time since") {
  scripted.caps.lists_ended_within = 5s;
  scripted.list_ghosts = 4s;
  start();
  const auto made = create();
  REQUIRE(made);
  advance(10s);
  stop();
  scripted.die(made->id);
  advance(2s);
  tunnels.instance = wire::InstanceId::make(random);
  start();
  advance(200s);
  CHECK(state_of(made->id) == State::gone);
  const Booked all = booked().at(made->id);
  const Int128 truth = scripted.accounts().at(made->id).ran.count();
  CHECK((all.ns - all.bound_ns <= truth));
  CHECK((truth <= all.ns + all.bound_ns));
  CHECK((all.bound_ns <= Duration(5s).count()));
}

TEST_CASE_METHOD(World, "a resume that an earlier run asked for may come about after a list has said that it did not") {
  scripted.caps.lists_within = 5s;
  scripted.call_time = 1s;
  start();
  const auto made = create();
  REQUIRE(made);
  advance(10s);
  World::must(wait(sandboxes->pause(made->id)));
  advance(100s);
  {
    async::TaskSet set(loop);
    std::optional<Result<api::SandboxInfo>> out;
    set.spawn(keep(sandboxes->resume(made->id), out));
    advance(500ms);  // on its way
  }
  restart();
  advance(1500ms);
  CHECK(scripted.accounts().at(made->id).paused);
  SECTION("it is ended") {
    scripted.wake(made->id);
    advance(3s);
  }
  SECTION("it is paused again") {
    scripted.wake(made->id);
    advance(100s);
    CHECK(scripted.accounts().at(made->id).paused);
  }
  SECTION("it did not") { advance(100s); }
  World::must(wait(sandboxes->kill(made->id, {})));
  const Booked all = booked().at(made->id);
  const Int128 truth = scripted.accounts().at(made->id).ran.count();
  CHECK((all.ns - all.bound_ns <= truth));
  CHECK((truth <= all.ns + all.bound_ns));
  CHECK((all.bound_ns <= Duration(10s).count()));
}

TEST_CASE_METHOD(World, "one that goes on behind the daemon's back is paid for, within a bound that says so") {
  start();
  const auto made = create();
  REQUIRE(made);
  advance(10s);
  World::must(wait(sandboxes->pause(made->id)));
  advance(300s);
  SECTION("found by a list") {
    scripted.wake(made->id);
    advance(61s);
  }
  SECTION("found by the next run") {
    scripted.wake(made->id);
    advance(5s);
    restart();
    advance(1s);
  }
  SECTION("while nobody looked") {
    stop();
    advance(20s);
    scripted.wake(made->id);
    advance(20s);
    tunnels.instance = wire::InstanceId::make(random);
    start();
    advance(1s);
  }
  CHECK(scripted.accounts().at(made->id).paused);
  advance(100s);
  World::must(wait(sandboxes->kill(made->id, {})));
  const Booked all = booked().at(made->id);
  const Int128 truth = scripted.accounts().at(made->id).ran.count();
  CHECK((truth > Duration(14s).count()));
  CHECK((all.ns - all.bound_ns <= truth));
  CHECK((truth <= all.ns + all.bound_ns));
  CHECK((all.bound_ns <= Duration(90s).count()));
}

TEST_CASE("the ledger is within its stated bound of the provider's own account, and exact where nothing takes time") {
  rc::prop("whatever is done, whenever the daemon dies", [] {
    World world;
    world.scripted.caps.bills_paused = false;
    world.scripted.tells_times = *rc::gen::arbitrary<bool>();
    const bool slow = *rc::gen::arbitrary<bool>();
    if (slow) {
      world.scripted.create_time = *rc::gen::inRange(0, 3000) * 1ms;
      world.scripted.call_time = *rc::gen::inRange(0, 1500) * 1ms;
    }
    if (*rc::gen::arbitrary<bool>()) {
      world.scripted.caps.lists_ended_within = 3s;
      world.scripted.list_ghosts = *rc::gen::inRange(0, 3000) * 1ms;
    }
    world.start();
    std::vector<std::string> ids;
    bool unseen = false;  // something ended, or went on, while nobody watched
    const int steps = *rc::gen::inRange(1, 14);
    for (int i = 0; i < steps; ++i) {
      const int what = *rc::gen::inRange(0, 9);
      const std::string id = ids.empty() ? "" : ids.at(*rc::gen::inRange<std::size_t>(0, ids.size()));
      world.advance(*rc::gen::inRange(0, 20'000) * 1ms);
      if (what <= 1 || ids.empty()) {
        const auto made = world.create();
        RC_ASSERT(made.has_value());
        ids.push_back(made->id);
      } else if (what == 2) {
        static_cast<void>(world.wait(world.sandboxes->pause(id)));
      } else if (what == 3) {
        static_cast<void>(world.wait(world.sandboxes->resume(id)));
      } else if (what == 4) {
        RC_ASSERT(world.wait(world.sandboxes->kill(id, {})).has_value());
      } else if (what == 5) {
        world.restart();
      } else if (what == 6) {
        if (world.scripted.accounts().at(id).ended) continue;
        world.scripted.die(id);
        world.loop.run_until_idle();
      } else if (what == 7) {
        if (!world.scripted.accounts().at(id).paused) continue;
        world.scripted.wake(id);
        world.advance(70s);  // until a list tells
        unseen = true;
      } else {
        world.stop();
        world.advance(*rc::gen::inRange(0, 20'000) * 1ms);
        if (*rc::gen::arbitrary<bool>() && !world.scripted.accounts().at(id).ended) {
          world.scripted.die(id);
          unseen = true;
        }
        world.advance(*rc::gen::inRange(0, 20'000) * 1ms);
        world.tunnels.instance = wire::InstanceId::make(world.random);
        world.start();
      }
    }
    world.advance(5s);
    for (const std::string& id : ids) RC_ASSERT(world.wait(world.sandboxes->kill(id, {})).has_value());
    world.advance(200s);
    RC_ASSERT(world.scripted.running() == 0U);
    const auto booked = world.booked();
    Int128 sum = 0;
    for (const auto& [id, account] : world.scripted.accounts()) {
      const auto found = booked.find(id);
      const World::Booked mine = found == booked.end() ? World::Booked{} : found->second;
      const Int128 truth = account.ran.count();
      sum += mine.ns;
      RC_ASSERT((mine.ns - mine.bound_ns <= truth));
      RC_ASSERT((truth <= mine.ns + mine.bound_ns));
      if (!slow && !unseen) RC_ASSERT((mine.ns == truth));
    }
    // A USD a second: the rollups say the same to the nano-USD.
    RC_ASSERT((world.wait(world.costs->summary({}))->total.amount ==
               costs::Amount::from_nano(static_cast<std::int64_t>(sum))));
  });
}

TEST_CASE_METHOD(World, "creating waits for the provider's rate: in order, pools last, and never above it") {
  rules = {{.pattern = "provider/scripted/create", .spec = {.rate = Rate{1, 1s}}, .from = "test"}};
  config.pools["p"] = {.template_name = "default", .min_ready = 2, .max_ready = 2};
  start();
  advance(10ms);  // the pool takes the first turn at once and stands in line for its second
  std::vector<std::optional<Result<api::SandboxInfo>>> made(3);
  async::TaskSet set(loop);
  for (auto& out : made) set.spawn(keep(sandboxes->create({.swarm = "swm_a", .pooled = false}, std::nullopt), out));
  const auto all_made = [&] { return std::ranges::all_of(made, [](const auto& out) { return out.has_value(); }); };
  for (int i = 0; i < 100 && !all_made(); ++i) advance(100ms);
  for (const auto& out : made) CHECK((out && out->has_value()));
  CHECK(scripted.asked.size() == 4);  // the pool's second waits until nobody else does
  advance(10s);
  REQUIRE(scripted.asked.size() == 5);
  for (std::size_t i = 1; i < scripted.asked.size(); ++i) CHECK(scripted.asked[i] - scripted.asked[i - 1] >= 1s);
  CHECK(sandboxes->count_by_state().at("ready") == 2);
}

TEST_CASE_METHOD(World, "a provider that says when to come again is obeyed, and nobody has to ask twice") {
  scripted.script = {Create::throttled, Create::works};
  scripted.retry_after = 7s;
  start();
  const auto made = create();
  REQUIRE(made);
  CHECK(made->state == State::claimed);
  REQUIRE(scripted.asked.size() == 2);
  CHECK(scripted.asked[1] - scripted.asked[0] >= 7s);
  CHECK(scripted.asked[1] - scripted.asked[0] <= 10s);
  CHECK(limiters->status("provider/scripted/create").counters.throttled == 1);
  World::must(wait(sandboxes->kill(made->id, {})));
  CHECK((booked().at(made->id).ns - booked().at(made->id).bound_ns <= scripted.accounts().at(made->id).ran.count()));
  // Longer than making may take: refused at once, with the reason.
  scripted.script = {Create::throttled};
  scripted.retry_after = 10min;
  const auto late = create();
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Code::resource_exhausted);
  CHECK(late.error().message.find("429") != std::string::npos);
}

TEST_CASE_METHOD(World, "a sandbox that is ended in line was never asked for") {
  rules = {{.pattern = "provider/scripted/create", .spec = {.rate = Rate{1, 1h}}, .from = "test"}};
  start();
  REQUIRE(create());
  const auto waiting = wait(sandboxes->create({.wait = false}, std::nullopt));
  REQUIRE(waiting);
  advance(1s);
  CHECK(state_of(waiting->id) == State::requested);
  World::must(wait(sandboxes->kill(waiting->id, {})));
  CHECK(state_of(waiting->id) == State::gone);
  CHECK(scripted.creates == 1);
  CHECK(sandboxes->capacity().used() == 1);
  CHECK(limiters->status("provider/scripted/create").waiting == 0);
}

TEST_CASE_METHOD(World, "calls of the API are limited, what ends a sandbox first") {
  rules = {{.pattern = "provider/scripted/api", .spec = {.rate = Rate{1, 1s}}, .from = "test"}};
  start();
  const auto a = create();
  const auto b = create();
  REQUIRE(a);
  REQUIRE(b);
  std::optional<Result<api::SandboxMetrics>> measured;
  std::optional<Result<api::SandboxInfo>> killed;
  std::optional<Result<api::SandboxInfo>> first;
  async::TaskSet set(loop);
  set.spawn(keep(sandboxes->kill(a->id, {}), first));
  set.spawn(keep(sandboxes->metrics(b->id), measured));
  set.spawn(keep(sandboxes->kill(b->id, {}), killed));
  for (int i = 0; i < 40 && !killed; ++i) advance(100ms);
  CHECK((killed && killed->has_value()));
  CHECK_FALSE(measured);
  advance(5s);
  CHECK(measured);
}

TEST_CASE_METHOD(World, "a budget stops new work, pauses what runs, and lets go of what it paused") {
  start();
  const auto mine = create();
  const auto other = create("swm_b");
  REQUIRE(mine);
  REQUIRE(other);
  World::must(wait(costs->budgets().set(
      {.name = "b", .swarm = "swm_a", .nano = 10'000'000'000, .stop = 50, .pause = 100, .since_us = 0})));
  advance(6s);
  const auto refused = create();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::resource_exhausted);
  CHECK(refused.error().message.find("budget 'b'") != std::string::npos);
  CHECK(refused.error().message.find("swarmctl budget set") != std::string::npos);
  CHECK(create("swm_b").has_value());
  advance(5s);
  CHECK(state_of(mine->id) == State::paused);
  CHECK(state_of(other->id) == State::claimed);
  CHECK(wait(sandboxes->resume(mine->id)).error().code == Code::resource_exhausted);
  advance(1h);  // no lease ends what a budget holds
  restart();
  CHECK(state_of(mine->id) == State::paused);
  World::must(wait(costs->budgets().remove("b")));
  advance(1s);
  CHECK(state_of(mine->id) == State::claimed);
}

TEST_CASE_METHOD(World, "a budget pauses what was being made, too") {
  scripted.create_time = 10s;
  start();
  const auto coming = wait(sandboxes->create({.swarm = "swm_a", .wait = false}, std::nullopt));
  const auto running = wait(sandboxes->create({.swarm = "swm_a"}, std::nullopt));
  REQUIRE(running);
  const auto late = wait(sandboxes->create({.swarm = "swm_a", .wait = false}, std::nullopt));
  REQUIRE(late);
  World::must(wait(costs->budgets().set({.name = "b", .swarm = "swm_a", .nano = 1, .pause = 100})));
  advance(15s);
  CHECK(state_of(coming->id) == State::paused);
  CHECK(state_of(late->id) == State::paused);
}

TEST_CASE_METHOD(World, "a budget of everything empties the pools and ends what it says") {
  config.pools["p"] = {.template_name = "default", .min_ready = 2, .max_ready = 2};
  start();
  advance(1s);
  const auto made = wait(sandboxes->create({.swarm = "swm_a", .pooled = false}, std::nullopt));
  REQUIRE(made);
  CHECK(scripted.running() == 3);
  World::must(wait(costs->budgets().set({.name = "all", .nano = 1'000'000'000, .pause = 100, .kill = 200})));
  advance(10s);
  CHECK(state_of(made->id) == State::gone);
  CHECK(scripted.running() == 0);
  advance(60s);
  CHECK(scripted.running() == 0);  // and nothing is filled up again
  World::must(wait(costs->budgets().remove("all")));
  advance(60s);
  CHECK(scripted.running() == 2);
}

TEST_CASE_METHOD(World, "an agent's budget ends the sandbox that it has alone") {
  start();
  const auto alone = create();
  const auto shared = create();
  REQUIRE(alone);
  REQUIRE(shared);
  const auto join = [&](const std::string& box, const std::string& agent) {
    World::must(wait(store->write(
        "join", store::Durability::process, [this, box, agent, at = costs->moment()](store::Changes& changes) {
          return costs->meter().agent_joined(changes, box, {.swarm = "swm_a", .agent = agent}, at);
        })));
  };
  join(alone->id, "agent-0");
  join(shared->id, "agent-0");
  join(shared->id, "agent-1");
  World::must(wait(
      costs->budgets().set({.name = "b", .swarm = "swm_a", .agent = "agent-0", .nano = 3'000'000'000, .kill = 100})));
  advance(5s);
  CHECK(state_of(alone->id) == State::gone);
  CHECK(state_of(shared->id) == State::claimed);
}
