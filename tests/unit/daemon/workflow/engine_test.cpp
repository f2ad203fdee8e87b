#include "daemon/workflow/engine.hpp"

#include <catch2/catch.hpp>

#include "daemon/workflow/schema.hpp"
#include "fake_world.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::workflow;
using namespace swarm::workflow::tests;
using namespace std::chrono_literals;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

constexpr const char* kSwarm = "swm_1";

api::TaskAddRequest change(const std::string& title, const std::string& body, std::vector<std::string> needs = {}) {
  api::TaskAddRequest out{.title = title, .body = body};
  out.needs = std::move(needs);
  return out;
}

/// Every kind of trouble once: a sloppy change that review catches, one that is disputed, two that conflict, one that
/// turns the tests red.
Script full_script() {
  Script script;
  script.plan = {change("plain", "a.txt one"),
                 change("careless", "b.txt two"),
                 change("odd", "c.txt ODD three"),
                 change("left", "shared.txt left"),
                 change("right", "shared.txt right"),
                 change("red", "d.txt four"),
                 change("last", "e.txt five", {"plain", "red"})};
  script.slips = {{"careless", "SLOPPY"}, {"red", "BAD"}};
  return script;
}

const Tree kExpected = {{"a.txt", "one\n"},       {"b.txt", "two\n"},
                        {"c.txt", "ODD three\n"}, {"shared.txt", "left\nright\n"},
                        {"d.txt", "four\n"},      {"e.txt", "five\n"}};

std::vector<api::RunAgent> four() {
  return {{.name = "agent-0", .role = "planner", .lead = true},
          {.name = "agent-1", .role = "implementer"},
          {.name = "agent-2", .role = "implementer"},
          {.name = "agent-3", .role = "researcher"}};
}

/// A daemon's life: a store and an engine on a world that stays.
struct Life {
  async::Loop& loop;
  SeededRandom random;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Engine> engine;

  Life(async::Loop& l, const std::string& path, FakeWorld& world, std::uint64_t seed,
       std::function<void(const std::string&, bool)> watch = {})
      : loop(l), random(seed) {
    const std::array domains = {kWorkflowDomain};
    store = must(store::Store::open(loop, {.path = path, .identity = {.program = "test"}}, domains, random));
    engine = std::make_unique<Engine>(loop, *store, random, world,
                                      EngineOptions{.retry_first = 1ms, .retry_most = 4ms, .watch = std::move(watch)});
    must(loop.block_on(engine->recover()));
  }
};

Result<api::RunInfo> begin(Life& life, const std::string& workflow = "autonomous-dev",
                           const std::string& definition = "") {
  api::RunStartRequest request{.workflow = workflow,
                               .definition = definition,
                               .feature = "make it",
                               .test_command = "make test",
                               .agents = four()};
  const Actor person{.kind = Actor::Kind::person, .swarm = kSwarm, .name = "uid 1000"};
  return life.loop.block_on(life.engine->change<api::RunInfo>(
      "t.start", store::Durability::power,
      [request, person](Turn& turn) { return service::run_start(turn, person, request); }));
}

api::RunInfo run_of(Life& life) {
  return must(life.engine->look([](Turn& turn) -> Result<api::RunInfo> {
    Result<Case> c = current_run(turn, kSwarm, std::nullopt);
    if (!c) return fail(c.error());
    return shown(turn, *c);
  }));
}

async::Task<> until_stopped(AllEnded& ended, async::Loop& loop) {
  async::Timer limit(loop);
  limit.start_after(30s, [&ended] { ended.stop.set(); });
  co_await ended.stop.wait();
}

struct Outcome {
  bool ended = false;
  int ticks = 0;
  int lives = 1;
};

/// Runs the whole loop; after each number of ticks in `kills` the daemon is killed and started again.
Outcome run_through(FakeWorld& world, async::Loop& loop, const std::string& path, const Script& script, Ledger& ledger,
                    std::vector<int> kills, std::set<std::string>& hit) {
  Outcome out;
  bool started = false;
  for (;;) {
    AllEnded ended(loop, 4);
    int ticks = 0;
    const int kill_at = kills.empty() ? -1 : kills.front();
    const auto tick = [&](std::string_view what) {
      ++ticks;
      ++out.ticks;
      if (ticks == kill_at) {
        hit.emplace(what);
        ended.stop.set();
      }
    };
    world.at = tick;
    Life life(loop, path, world, 7 + static_cast<std::uint64_t>(out.lives), [&](const std::string& key, bool before) {
      tick((before ? "before " : "after ") + key.substr(0, key.find(':')));
    });
    if (!started) {
      must(begin(life));
      started = true;
    }
    async::TaskSet agents(loop);
    for (int i = 0; i < 4; ++i) {
      agents.spawn(work(*life.engine, world, script, ledger, kSwarm, "agent-" + std::to_string(i), ended));
    }
    loop.block_on(until_stopped(ended, loop));
    out.ended = ended.left == 0;
    agents.cancel_all();
    world.at = [](std::string_view) {};
    if (out.ended || kill_at < 0 || ticks < kill_at) return out;
    kills.erase(kills.begin());
    ++out.lives;
  }
}

struct Real {
  SystemClock clock;
  async::Loop loop{clock};
  ::swarm::test::TemporaryDirectory dir{::swarm::test::TemporaryDirectory::On::memory};
};

void check_outcome(FakeWorld& world, Life& life, const Ledger& ledger) {
  const api::RunInfo run = run_of(life);
  CHECK(run.state == api::RunState::done);
  CHECK(run.reason == "");
  CHECK(world.tree == kExpected);
  CHECK(world.merges.size() == 7);
  for (const auto& [task, count] : world.merges) CHECK(count == 1);
  CHECK(world.deliveries == 1);
  CHECK(world.refused["red"] >= 1);
  CHECK(run.tasks.at("done") == 9);
  must(life.engine->look([&](Turn& turn) -> Result<std::monostate> {
    for (const auto& [id, votes] : ledger.votes) {
      const auto proposal = load_proposal(turn, id);
      REQUIRE(proposal);
      for (const auto& [voter, choice] : votes) {
        const auto at = std::ranges::find(proposal->votes, voter, &api::VoteInfo::voter);
        REQUIRE(at != proposal->votes.end());
        CHECK(at->choice == std::vector{choice});
      }
      REQUIRE(proposal->count);
      CHECK(recount(*proposal) == *proposal->count);
    }
    return std::monostate{};
  }));
  CHECK_FALSE(ledger.votes.empty());
}

}  // namespace

TEST_CASE("the whole loop ends in one merge a task, with every trouble on the way mended") {
  Real real;
  FakeWorld world(real.loop);
  Ledger ledger;
  std::set<std::string> hit;
  const Script script = full_script();
  const Outcome out = run_through(world, real.loop, real.dir / "db", script, ledger, {}, hit);
  REQUIRE(out.ended);
  Life life(real.loop, real.dir / "db", world, 1);
  check_outcome(world, life, ledger);
  CHECK(world.started.size() == 4);
  const std::vector<std::string> order = {"plain", "careless", "odd", "left", "right", "red", "last"};
  CHECK(world.merged_titles == order);
  must(life.engine->look([&](Turn& turn) -> Result<std::monostate> {
    for (const Task& task : tasks_of(turn, run_of(life).id)) {
      if (task.title == "careless") {
        REQUIRE(task.attempts.size() == 2);
        CHECK(task.attempts[0].outcome == "rejected");
        CHECK_THAT(task.attempts[0].reason, Catch::Contains("this is sloppy"));
        CHECK(task.attempts[1].agent == task.attempts[0].agent);
      }
      if (task.title == "red") {
        REQUIRE(task.attempts.size() == 2);
        CHECK(task.attempts[0].outcome == "red");
        CHECK_THAT(task.attempts[0].reason, Catch::Contains("FAILED in d.txt"));
      }
      if (task.title == "odd") CHECK_THAT(task.approved_by.front(), Catch::StartsWith("vote prp_"));
    }
    return std::monostate{};
  }));
}

TEST_CASE("a call with a key has its effect once, and is answered again") {
  Real real;
  FakeWorld world(real.loop);
  Life life(real.loop, real.dir / "db", world, 1);
  must(begin(life));
  const Actor person{.kind = Actor::Kind::person, .swarm = kSwarm, .name = "uid 1000"};
  const auto add = [&](const std::string& title) {
    const CallKey key{.scope = "sandbox:s1", .key = "k1", .method = "task.add", .arguments = title};
    return real.loop.block_on(
        life.engine->change<std::string>("t.add", store::Durability::power, [=](Turn& turn) -> Result<std::string> {
          return turn.once(key, [&]() -> Result<std::string> {
            Result<api::TaskInfo> task = service::task_add(turn, person, change(title, "a.txt one"));
            if (!task) return fail(task.error());
            return task->id;
          });
        }));
  };
  const std::string first = must(add("once"));
  CHECK(must(add("once")) == first);
  const Result<std::string> other = add("another");
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Code::invalid_argument);
  const api::TaskListReply tasks =
      must(life.engine->look([&](Turn& turn) { return service::task_list(turn, person, {}); }));
  CHECK(std::ranges::count(tasks.tasks, "once", &api::TaskInfo::title) == 1);
  CHECK(std::ranges::count(tasks.tasks, "another", &api::TaskInfo::title) == 0);
}

TEST_CASE("a daemon that is killed anywhere goes on: same tree, one merge a task, no vote lost", "[crash]") {
  const Script script = full_script();
  int ticks = 0;
  {
    Real real;
    FakeWorld world(real.loop);
    Ledger ledger;
    std::set<std::string> hit;
    ticks = run_through(world, real.loop, real.dir / "db", script, ledger, {}, hit).ticks;
  }
  REQUIRE(ticks > 100);
  std::set<std::string> hit;
  const char* soak = std::getenv("SWARM_SOAK");
  const int every = soak != nullptr ? 1 : 29;
  const std::uint64_t seed = SystemRandom().next();
  CAPTURE(seed, ticks);
  SeededRandom random(seed);
  int runs = 0;
  for (int at = 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(every))); at <= ticks; at += every) {
    CAPTURE(at);
    Real real;
    FakeWorld world(real.loop);
    Ledger ledger;
    // And again, once or twice, at any time later.
    std::vector<int> kills = {at};
    for (std::uint64_t more = random.below(3); more > 0; --more) {
      kills.push_back(1 + static_cast<int>(random.below(static_cast<std::uint64_t>(ticks) / 2)));
    }
    const Outcome out = run_through(world, real.loop, real.dir / "db", script, ledger, kills, hit);
    REQUIRE(out.ended);
    Life life(real.loop, real.dir / "db", world, 1);
    check_outcome(world, life, ledger);
    ++runs;
  }
  for (const char* step : {"before merge", "after merge", "before inspect", "after inspect"}) {
    if (soak != nullptr) CHECK(hit.contains(step));
  }
  WARN("killed in " << runs << " runs of " << ticks << " points; distinct kinds hit: " << hit.size());
}
