// What a durable change costs: through the store (loop, writer thread, group commit) beside SQLite called directly in
// one thread with the same settings, on the same disk, in turns of the same run.

#include <cstdio>
#include <ctime>
#include <thread>

#include "protocol/async/task_set.hpp"
#include "protocol/store/store.hpp"
#include "tests/bench/report.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::store;

namespace {

constexpr std::array kMigrations = {
    Migration{1, "rows", "CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT) STRICT"}};
constexpr Domain kDomain{"bench", kMigrations};
constexpr Sql kInsert{"bench.insert", "INSERT INTO rows (text) VALUES (?)"};
constexpr int kTurns = 10;
constexpr int kConcurrent = 64;
const std::string kText(200, 'x');

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "store_bench: %s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

Result<void> insert(Database& db) { return db.run(kInsert, kText); }

async::Task<Result<void>> write_one(Store& store, Durability durability) {
  return store.write("bench.insert", durability, [](Changes& c) { return insert(c.db()); });
}

async::Task<> write_in_turn(Store& store, Durability durability, int count, bench::Samples& samples,
                            const Clock& clock) {
  for (int i = 0; i < count; ++i) {
    const MonoTime start = clock.now();
    auto written = co_await write_one(store, durability);
    samples.add(clock.now() - start);
    must(std::move(written));
  }
}

void direct_one(Database& db) {
  Transaction transaction = must(Transaction::begin(db, Transaction::Mode::immediate));
  must(insert(db));
  must(transaction.commit());
}

/// The rival folds its log as ours does, so that neither is spared the work.
void fold(Database& db) {
  if (db.wal_frames() >= WriterOptions{}.checkpoint_frames) must(db.checkpoint());
}

struct Bench {
  SystemClock clock;
  async::Loop loop{clock};
  test::TemporaryDirectory dir;
  SystemRandom random;
  bench::Report report;
  std::unique_ptr<Store> store;
  std::optional<Database> direct;

  Bench() {
    const std::array domains = {kDomain};
    const Identity identity{.program = "store_bench"};
    store = must(Store::open(loop, {.path = dir / "ours", .identity = identity}, domains, random));
    direct = must(open_or_create(dir / "rival", identity, {.access = Access::create}));
    must(migrate(*direct, domains, identity));
  }

  void latency(const std::string& name, Durability durability, int count) {
    must(direct->set_sync(durability == Durability::power ? Sync::full : Sync::normal));
    bench::Samples ours;
    bench::Samples theirs;
    for (int turn = 0; turn < kTurns; ++turn) {
      loop.block_on(write_in_turn(*store, durability, count / kTurns, ours, clock));
      for (int i = 0; i < count / kTurns; ++i) {
        const MonoTime start = clock.now();
        direct_one(*direct);
        fold(*direct);
        theirs.add(clock.now() - start);
      }
    }
    report.add_latency("store: one change, " + name, ours, "SQLite in the same thread", theirs);
  }

  void throughput(const std::string& name, Durability durability, int count) {
    must(direct->set_sync(durability == Durability::power ? Sync::full : Sync::normal));
    Duration ours{0};
    Duration theirs{0};
    bench::Samples latencies;
    for (int turn = 0; turn < kTurns; ++turn) {
      MonoTime start = clock.now();
      {
        async::TaskSet set(loop);
        for (int i = 0; i < kConcurrent; ++i) {
          set.spawn(write_in_turn(*store, durability, count / kTurns / kConcurrent, latencies, clock));
        }
        loop.block_on(set.join());
      }
      ours += clock.now() - start;
      start = clock.now();
      for (int i = 0; i < count / kTurns; ++i) {
        direct_one(*direct);
        fold(*direct);
      }
      theirs += clock.now() - start;
    }
    const auto rate = [](double jobs, Duration d) { return jobs / std::chrono::duration<double>(d).count(); };
    report.add({.name = "store: 64 at once, " + name,
                .value = rate(static_cast<double>(latencies.size()), ours),
                .unit = "jobs/s",
                .rival = "SQLite, one commit a change",
                .rival_value = rate(count / kTurns * kTurns, theirs)});
    report.add({.name = "store: 64 at once, " + name + " p99",
                .value = static_cast<double>(latencies.percentile(99).count()) / 1000,
                .unit = "us",
                .rival = "SQLite, 64 callers in a row",
                .rival_value = std::chrono::duration<double, std::micro>(theirs).count() / count * kConcurrent});
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::string json = bench::json_path_from(argc, argv);
  Bench bench;
  bench.latency("process class", Durability::process, 20'000);
  bench.latency("power class", Durability::power, 2'000);
  bench.throughput("process class", Durability::process, 64'000);
  bench.throughput("power class", Durability::power, 12'800);
  const WriterStats stats = bench.store->stats();
  std::printf("jobs=%llu batches=%llu fsynced=%llu folds=%llu\n", static_cast<unsigned long long>(stats.jobs),
              static_cast<unsigned long long>(stats.batches), static_cast<unsigned long long>(stats.power_batches),
              static_cast<unsigned long long>(stats.checkpoints));
  if (!json.empty()) must(bench.report.write_json(json));
}
