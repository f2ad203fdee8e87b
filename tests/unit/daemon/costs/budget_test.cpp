#include "daemon/costs/budgets.hpp"

#include <rapidcheck/catch.h>

#include "fixture.hpp"
#include "protocol/api/budget.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/wire/msgpack.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::costs;
using namespace swarm::costs::tests;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using State = api::SandboxState;

namespace {

struct Rig : swarm::tests::FakeTimeFixture {
  test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  SeededRandom random{7};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Meter> meter;
  std::unique_ptr<Budgets> budgets;
  std::vector<Action> actions;

  Rig() { start(); }
  ~Rig() { stop(); }

  void start() {
    const std::array domains = {kCostDomain};
    store =
        must(store::Store::open(loop, {.path = dir / "state/db", .identity = {.program = "test 1"}}, domains, random));
    meter = std::make_unique<Meter>("boot-1");
    std::vector<PriceTable> tables = list_prices();
    tables.push_back({.name = "round", .applies_to = "round/*", .prices = {.sandbox_hour = 3'600'000'000'000}});
    write([this, tables](store::Changes& c) { return meter->set_prices(c, tables); });
    budgets = std::make_unique<Budgets>(loop, *store, *meter, [this](const Action& a) { actions.push_back(a); });
    must(loop.block_on(budgets->recover()));
  }
  void stop() {
    budgets.reset();
    store.reset();
  }
  template <class F>
  void write(F f) {
    must(loop.block_on(store->write("test", store::Durability::process, std::move(f))));
  }
  /// A sandbox that costs a USD a second.
  void go(const std::string& box, State to, const std::string& swarm = "swm_a") {
    const Transition t{.sandbox = box,
                       .to = to,
                       .at = {clock.wall(), clock.now()},
                       .swarm = swarm,
                       .provider = "round",
                       .template_name = "x"};
    write([this, t](store::Changes& c) { return meter->on_transition(c, t); });
  }
  void join(const std::string& box, const Agent& agent) {
    const Moment at{clock.wall(), clock.now()};
    write([this, box, agent, at](store::Changes& c) { return meter->agent_joined(c, box, agent, at); });
  }
  void tick() { must(loop.block_on(budgets->tick())); }
  Standing set(Budget budget) { return must(loop.block_on(budgets->set(std::move(budget)))); }
  Standing standing(const std::string& name) {
    for (Standing& s : must(loop.block_on(budgets->list()))) {
      if (s.budget.name == name) return s;
    }
    throw std::runtime_error("no budget " + name);
  }
  std::vector<Level> levels() {
    std::vector<Level> all;
    for (const Action& a : actions) all.push_back(a.level);
    return all;
  }
  std::size_t events() {
    std::size_t count = 0;
    for (const store::Event& e : must(loop.block_on(store->events({}, 1000))))
      count += e.type == "budget.reached" ? 1U : 0U;
    return count;
  }
};

constexpr std::int64_t kUsd = 1'000'000'000;

}  // namespace

TEST_CASE_METHOD(Rig, "thresholds act one after the other, exactly when they are reached") {
  set({.name = "b", .swarm = "swm_a", .nano = 100 * kUsd, .warn = 50, .stop = 80, .pause = 90, .kill = 100});
  go("s1", State::starting);
  clock.advance(50s - 1ns);
  tick();
  CHECK(actions.empty());
  CHECK(budgets->admit("swm_a", "agent-0"));
  clock.advance(1ns);
  tick();
  tick();
  CHECK(levels() == std::vector{Level::warn});
  CHECK(budgets->admit("swm_a", "agent-0"));
  clock.advance(40s);
  tick();
  CHECK(levels() == std::vector{Level::warn, Level::stop, Level::pause});
  const auto refused = budgets->admit("swm_a", "agent-0");
  CHECK(refused.error().code == Code::resource_exhausted);
  CHECK_THAT(refused.error().message, Contains("budget 'b' of swarm swm_a: $90 of $100 are spent"));
  CHECK(budgets->admit("swm_b", "agent-0"));
  clock.advance(10s);
  tick();
  CHECK(levels().back() == Level::kill);
  CHECK(events() == 4);
  CHECK(budgets->counters() == std::array<std::uint64_t, 5>{0, 1, 1, 1, 1});
}

TEST_CASE_METHOD(Rig, "what was in force is so again after a restart") {
  set({.name = "b", .nano = 10 * kUsd, .stop = 100});
  go("s1", State::starting);
  clock.advance(10s);
  tick();
  REQUIRE(levels() == std::vector{Level::stop});
  stop();
  actions.clear();
  start();
  CHECK(levels() == std::vector{Level::stop});
  CHECK_FALSE(budgets->admit("swm_a", ""));
  tick();
  CHECK(actions.size() == 1);
  CHECK(events() == 1);
  set({.name = "b", .nano = 1000 * kUsd, .stop = 100});
  CHECK(levels() == std::vector{Level::stop, Level::none});
  CHECK(budgets->admit("swm_a", ""));
}

TEST_CASE_METHOD(Rig, "a day's budget begins anew at midnight, with what has been running since") {
  clock.jump_wall(std::chrono::microseconds(kDayUs - clock.wall().us % kDayUs - 60'000'000));  // a minute before
  set({.name = "b", .period = Period::day, .nano = 30 * kUsd, .stop = 100});
  go("s1", State::starting);
  clock.advance(45s);
  tick();
  CHECK_FALSE(budgets->admit("swm_a", ""));
  clock.advance(20s);
  tick();
  CHECK(standing("b").spent.usd() == "5");
  CHECK(budgets->admit("swm_a", ""));
  CHECK(levels() == std::vector{Level::stop, Level::none});
  clock.jump_wall(-1h);
  tick();
  CHECK(levels().size() == 2);
  go("s1", State::gone);
}

TEST_CASE_METHOD(Rig, "an agent's budget counts its part") {
  set({.name = "b", .swarm = "swm_a", .agent = "agent-0", .nano = 10 * kUsd, .pause = 100});
  go("s1", State::starting);
  join("s1", {.swarm = "swm_a", .agent = "agent-0"});
  join("s1", {.swarm = "swm_a", .agent = "agent-1"});
  clock.advance(19s);
  tick();
  CHECK(actions.empty());
  clock.advance(1s);
  tick();
  CHECK(levels() == std::vector{Level::pause});
  CHECK(actions.front().budget.agent == "agent-0");
}

TEST_CASE_METHOD(Rig, "the forecast says when it ends at this rate") {
  set({.name = "b", .swarm = "swm_a", .nano = 7200 * kUsd, .stop = 100});
  CHECK(forecast(standing("b"), clock.wall().us) == "nothing is being spent now");
  go("s1", State::starting);
  clock.advance(600s);
  const Standing now = standing("b");
  CHECK(now.an_hour.usd() == "3600");
  REQUIRE(now.ends_us);
  CHECK(*now.ends_us == clock.wall().us + 6600'000'000);
  const std::string time = format_utc(*now.ends_us).substr(11, 5);
  CHECK_THAT(forecast(now, clock.wall().us),
             Contains("at this rate ($3600 an hour) the budget ends at ") && Contains(time + " UTC"));
  set({.name = "day", .period = Period::day, .nano = 8'000'000 * kUsd, .stop = 100});
  CHECK_THAT(forecast(standing("day"), clock.wall().us), Contains("lasts to the end of its period"));
}

TEST_CASE_METHOD(Rig, "a budget that makes no sense is refused with the reason") {
  const auto error = [&](Budget budget) { return loop.block_on(budgets->set(std::move(budget))).error().message; };
  CHECK_THAT(error({.name = "b", .nano = 0, .stop = 1}), Contains("above zero"));
  CHECK_THAT(error({.name = "b", .nano = 1}), Contains("do nothing"));
  CHECK_THAT(error({.name = "b", .nano = 1, .stop = 90, .kill = 80}), Contains("rise"));
  CHECK_THAT(error({.name = "b", .agent = "a", .nano = 1, .stop = 90}), Contains("belongs to a swarm"));
  CHECK(loop.block_on(budgets->remove("b")).error().code == Code::not_found);
}

TEST_CASE("months") {
  const std::int64_t at = parse_utc("2028-02-29T23:59:59Z").value();
  CHECK(format_utc(*period_start(Period::month, period_bucket(Period::month, at))) == "2028-02-01T00:00:00Z");
  CHECK(format_utc(*period_start(Period::month, period_bucket(Period::month, at + 1'000'000))) ==
        "2028-03-01T00:00:00Z");
}

TEST_CASE("budgets act within one tick, and never before") {
  rc::prop("whatever runs, is paused and is shared", [] {
    Rig rig;
    const auto percent = [](int low) { return static_cast<std::uint32_t>(*rc::gen::inRange(low, 40)) * 5; };
    Budget budget{.name = "b", .swarm = "swm_a", .nano = *rc::gen::inRange<std::int64_t>(1, 60) * kUsd};
    budget.warn = percent(1);
    budget.stop = *budget.warn + percent(1);
    budget.kill = *budget.stop + percent(1);
    rig.set(budget);
    std::array<bool, 3> runs{};
    Int128 spent_ns = 0;  // a USD a second: a nano-USD a nanosecond
    Level acted = Level::none;
    for (const auto& [box, seconds] : *rc::gen::container<std::vector<std::pair<int, int>>>(
             rc::gen::pair(rc::gen::inRange(0, 3), rc::gen::inRange(0, 20)))) {
      bool& on = runs.at(static_cast<std::size_t>(box));
      on = !on;
      rig.go("s" + std::to_string(box), on ? State::starting : State::gone);
      // The tick comes at a whole second, or a nanosecond to either side of it.
      const Duration wait = seconds * 1s + *rc::gen::element(0, 0, 1) * 1ns;
      spent_ns += Int128{wait.count()} * std::ranges::count(runs, true);
      rig.clock.advance(wait);
      rig.tick();
      Level due = Level::none;
      for (const Level level : {Level::warn, Level::stop, Level::kill}) {
        if (spent_ns * 100 >= Int128{budget.nano} * *threshold(budget, level)) due = level;
      }
      const Level before = acted;
      for (const Action& action : rig.actions) acted = std::max(acted, action.level);
      RC_ASSERT(acted == std::max(before, due));
      RC_ASSERT(rig.budgets->admit("swm_a", "").has_value() == (acted < Level::stop));
    }
  });
}
