// What the workflow engine costs: steps a second through whole runs, and the time until it goes on with many runs after
// a start. Agents and repository are in memory; the store is on disk, each step's outcome synced. Beside it: single
// commits to SQLite with the same durability, which is what a step cannot be cheaper than.

#include <cstdio>
#include <set>

#include "daemon/workflow/schema.hpp"
#include "tests/bench/report.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/unit/daemon/workflow/fake_world.hpp"

using namespace swarm;
using namespace swarm::workflow;

namespace {

constexpr int kTasks = 60;
constexpr int kRuns = 1000;
constexpr int kCommits = 300;
constexpr std::array kMigrations = {
    store::Migration{1, "rows", "CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT) STRICT"}};
constexpr store::Domain kRows{"bench", kMigrations};
constexpr store::Sql kInsert{"bench.insert", "INSERT INTO rows (text) VALUES (?)"};

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "workflow_bench: %s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::vector<api::RunAgent> four() {
  return {{.name = "agent-0", .role = "planner", .lead = true},
          {.name = "agent-1", .role = "implementer"},
          {.name = "agent-2", .role = "implementer"},
          {.name = "agent-3", .role = "researcher"}};
}

struct Bench {
  SystemClock clock;
  async::Loop loop{clock};
  test::TemporaryDirectory dir;
  SystemRandom random;
  bench::Report report;

  std::unique_ptr<store::Store> open(const std::string& name, const store::Domain& domain) {
    const std::array domains = {domain};
    return must(
        store::Store::open(loop, {.path = dir / name, .identity = {.program = "workflow_bench"}}, domains, random));
  }

  void start(Engine& engine, const std::string& swarm) {
    const api::RunStartRequest request{
        .workflow = "autonomous-dev", .feature = "make it", .test_command = "make test", .agents = four()};
    const Actor person{.kind = Actor::Kind::person, .swarm = swarm, .name = "bench"};
    must(loop.block_on(engine.change<api::RunInfo>(
        "bench.start", store::Durability::power,
        [request, person](Turn& turn) { return service::run_start(turn, person, request); })));
  }

  static double per_second(int count, Duration took) { return count / std::chrono::duration<double>(took).count(); }

  double commits() {
    const auto rows = open("rows", kRows);
    const MonoTime begun = clock.now();
    for (int i = 0; i < kCommits; ++i) {
      must(loop.block_on(rows->write("bench.insert", store::Durability::power, [](store::Changes& changes) {
        return changes.db().run(kInsert, std::string(500, 'x'));
      })));
    }
    return per_second(kCommits, clock.now() - begun);
  }

  void steps() {
    const double before = commits();
    workflow::tests::FakeWorld world(loop);
    workflow::tests::Script script;
    for (int i = 0; i < kTasks; ++i) {
      script.plan.push_back({.title = "task " + std::to_string(i), .body = "f" + std::to_string(i) + ".txt line"});
    }
    const auto store = open("steps", kWorkflowDomain);
    int steps = 0;
    Engine engine(loop, *store, random, world, {.watch = [&steps](const std::string&, bool is_before) {
                    if (!is_before) ++steps;
                  }});
    must(loop.block_on(engine.recover()));
    workflow::tests::Ledger ledger;
    workflow::tests::AllEnded ended(loop, 4);
    const MonoTime begun = clock.now();
    start(engine, "swm_1");
    async::TaskSet agents(loop);
    for (int i = 0; i < 4; ++i) {
      agents.spawn(workflow::tests::work(engine, world, script, ledger, "swm_1", "agent-" + std::to_string(i), ended));
    }
    loop.block_on(until(ended));
    const Duration took = clock.now() - begun;
    if (world.merges.size() != kTasks) {
      std::fprintf(stderr, "workflow_bench: %zu of %d tasks were merged\n", world.merges.size(), kTasks);
      std::exit(1);
    }
    report.add({.name = "workflow: steps (reviewed and merged tasks), one run of 60 tasks",
                .value = per_second(steps, took),
                .unit = "steps/s",
                .rival = "synced commits of one row",
                .rival_value = before});
    report.add({.name = "workflow: tasks from claim to merge, with a review each",
                .value = per_second(kTasks, took),
                .unit = "tasks/s",
                .rival = "",
                .rival_value = 0});
  }

  void resume() {
    workflow::tests::FakeWorld world(loop);
    {
      const auto store = open("runs", kWorkflowDomain);
      Engine engine(loop, *store, random, world);
      must(loop.block_on(engine.recover()));
      for (int i = 0; i < kRuns; ++i) start(engine, "swm_" + std::to_string(i));
    }
    const MonoTime begun = clock.now();
    const auto store = open("runs", kWorkflowDomain);
    const Duration opened = clock.now() - begun;
    Engine engine(loop, *store, random, world);
    must(loop.block_on(engine.recover()));
    const Duration took = clock.now() - begun;
    // Each of them answers.
    for (int i = 0; i < kRuns; i += 100) {
      must(engine.look([&](Turn& turn) -> Result<api::RunListReply> {
        return service::run_list(turn, {.kind = Actor::Kind::person, .swarm = "swm_" + std::to_string(i), .name = "b"},
                                 {.limit = 1});
      }));
    }
    const auto ms = [](Duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
    report.add({.name = "workflow: from opening the store to going on with 1,000 runs",
                .value = ms(took),
                .unit = "ms",
                .rival = "opening the store alone",
                .rival_value = ms(opened)});
  }

 private:
  static async::Task<> until(workflow::tests::AllEnded& ended) { co_await ended.stop.wait(); }
};

}  // namespace

int main(int argc, char** argv) {
  const std::string json = bench::json_path_from(argc, argv);
  Bench bench;
  bench.steps();
  bench.resume();
  if (!json.empty()) must(bench.report.write_json(json));
  return 0;
}
