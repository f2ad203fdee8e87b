// What a durable message costs: accepted through the host (loop, writer thread, group commit, fsync) from many senders,
// beside plain SQLite that inserts the same text with one fsynced commit each, in turns of the same run; and a lock
// taken and given back, also where thousands of others are held.

#include <cstdio>
#include <thread>

#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/coord/host.hpp"
#include "protocol/coord/schema.hpp"
#include "protocol/store/store.hpp"
#include "tests/bench/report.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::coord;

namespace {

constexpr int kTurns = 10;
constexpr int kSenders = 20;
constexpr int kInFlight = 4;  // of each sender
constexpr int kMessages = 20'000;
constexpr int kRate = 5'000;  // a second
constexpr int kSteadily = 15'000;
constexpr std::array kHeld = {100, 1'000, 10'000};
constexpr int kHeldAtOnce = 500;
const std::string kText(200, 'x');

constexpr std::array kRivalMigrations = {store::Migration{
    1, "rows", "CREATE TABLE rows (id INTEGER PRIMARY KEY, sender TEXT, recipient TEXT, text TEXT) STRICT"}};
constexpr store::Domain kRivalDomain{"bench", kRivalMigrations};
constexpr store::Sql kInsert{"bench.insert", "INSERT INTO rows (sender, recipient, text) VALUES (?, ?, ?)"};

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "coord_bench: %s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::string agent(int n) { return "agent-" + std::to_string(n); }

async::Task<> send_in_turn(Host* host, int from, int count, bench::Samples* samples, const Clock* clock) {
  for (int i = 0; i < count; ++i) {
    Draft draft;
    draft.to = {agent((from + 1 + i) % kSenders)};
    draft.body = kText;
    const MonoTime start = clock->now();
    auto sending = host->in_tables(
        "message.send", store::Durability::power,
        [from, draft](Step& step) { return step.messages.send(step.turn, {.name = agent(from)}, draft); },
        store::Undo::with_batch);
    auto sent = co_await std::move(sending);
    samples->add(clock->now() - start);
    must(std::move(sent));
  }
}

/// The design's rate, whoever waits: each tick asks for what is due by then.
async::Task<> send_steadily(async::Loop* loop, Host* host, async::TaskSet* set, bench::Samples* samples) {
  const Clock* clock = &loop->clock();
  const MonoTime start = clock->now();
  for (int sent = 0; sent < kSteadily;) {
    const auto due = static_cast<int>(std::chrono::duration<double>(clock->now() - start).count() * kRate);
    for (; sent < std::min(due, kSteadily); ++sent) {
      set->spawn(send_in_turn(host, sent % kSenders, 1, samples, clock));
    }
    co_await async::sleep_for(*loop, std::chrono::milliseconds(1));
  }
}

async::Task<> lock_in_turn(Host* host, int count, bench::Samples* samples, const Clock* clock) {
  for (int i = 0; i < count; ++i) {
    const MonoTime start = clock->now();
    LockRequest request{.id = "lck_" + std::to_string(i),
                        .owner = {"agent-0"},
                        .key = *make_key("r", LockKind::file, "src/main.cpp", {}),
                        .ttl = std::chrono::seconds(60)};
    const std::string id = request.id;
    auto taking = host->acquire(std::move(request), Span{0});
    auto got = co_await std::move(taking);
    must(std::move(got));
    auto releasing =
        host->with_locks("lock.release", [id](Step& step) { return step.locks.release(id, "agent-0", step.turn.now); });
    auto released = co_await std::move(releasing);
    must(std::move(released));
    samples->add(clock->now() - start);
  }
}

/// So many locks on files of one directory, until they are released.
async::Task<> hold(Host* host, int count) {
  for (int first = 0; first < count; first += kHeldAtOnce) {
    auto holding = host->with_locks("bench.hold", [first, last = std::min(first + kHeldAtOnce, count)](Step& step) {
      for (int i = first; i < last; ++i) {
        must(step.locks.acquire({.id = "lck_held_" + std::to_string(i),
                                 .owner = {agent(1 + i % 10)},
                                 .key = *make_key("r", LockKind::file, "src/held-" + std::to_string(i) + ".cpp", {}),
                                 .reason = {},
                                 .ttl = std::chrono::hours(1),
                                 .wait_until = {}},
                                step.turn.now));
      }
      return Result<void>();
    });
    must(co_await std::move(holding));
  }
}

struct Bench {
  SystemClock clock;
  async::Loop loop{clock};
  test::TemporaryDirectory dir;
  SystemRandom random;
  bench::Report report;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Host> host;
  std::optional<store::Database> direct;

  Bench() {
    const store::Identity identity{.program = "coord_bench"};
    const std::array domains = {kCoordDomain};
    store = must(store::Store::open(
        loop, {.path = dir / "ours", .identity = identity, .folding = store::Folding::beside}, domains, random));
    HostOptions options;
    options.coordination.messages.rate = 1'000'000'000;
    options.coordination.messages.most_queued = 1'000'000'000;
    host = must(Host::open(loop, *store, "swm_1", random, options));
    for (int i = 0; i < kSenders; ++i) {
      auto adding = host->in_tables("agent.add", store::Durability::process, [i](Step& step) {
        return step.registry.add(step.turn, {.id = agent(i), .role = ""});
      });
      must(loop.block_on(std::move(adding)));
    }
    direct = must(store::open_or_create(dir / "rival", identity, {.access = store::Access::create}));
    const std::array rival = {kRivalDomain};
    must(store::migrate(*direct, rival, identity));
    must(direct->set_sync(store::Sync::full));
  }

  void messages() {
    Duration ours{0};
    Duration theirs{0};
    bench::Samples latency;
    bench::Samples rival;
    constexpr int kOfOne = kMessages / kTurns / kSenders / kInFlight;
    for (int turn = 0; turn < kTurns; ++turn) {
      const MonoTime start = clock.now();
      {
        async::TaskSet set(loop);
        for (int i = 0; i < kSenders * kInFlight; ++i) {
          set.spawn(send_in_turn(host.get(), i % kSenders, kOfOne, &latency, &clock));
        }
        loop.block_on(set.join());
      }
      ours += clock.now() - start;
      for (int i = 0; i < kMessages / kTurns / 10; ++i) {
        const MonoTime begun = clock.now();
        store::Transaction transaction = must(store::Transaction::begin(*direct, store::Transaction::Mode::immediate));
        must(direct->run(kInsert, agent(1), agent(2), kText));
        must(transaction.commit());
        if (direct->wal_frames() >= store::WriterOptions{}.checkpoint_frames) must(direct->checkpoint());
        rival.add(clock.now() - begun);
        theirs += clock.now() - begun;
      }
    }
    const auto rate = [](const bench::Samples& n, Duration d) {
      return static_cast<double>(n.size()) / std::chrono::duration<double>(d).count();
    };
    report.add({.name = "coord: messages accepted, fsynced, 80 at once",
                .value = rate(latency, ours),
                .unit = "msg/s",
                .rival = "SQLite, one commit a row",
                .rival_value = rate(rival, theirs)});
    report.add_latency("coord: message accepted, 80 at once", latency, "SQLite, one commit a row", rival);
  }

  void steadily() {
    bench::Samples latency;
    {
      async::TaskSet set(loop);
      loop.block_on(send_steadily(&loop, host.get(), &set, &latency));
      loop.block_on(set.join());
    }
    report.add_latency("coord: message accepted, 5,000 a second", latency, "", {});
  }

  void locks() {
    bench::Samples ours;
    loop.block_on(lock_in_turn(host.get(), 5'000, &ours, &clock));
    must(direct->set_sync(store::Sync::normal));
    bench::Samples rival;
    for (int i = 0; i < 5'000; ++i) {
      const MonoTime begun = clock.now();
      for (int half = 0; half < 2; ++half) {
        store::Transaction transaction = must(store::Transaction::begin(*direct, store::Transaction::Mode::immediate));
        must(direct->run(kInsert, agent(1), agent(2), "lock"));
        must(transaction.commit());
      }
      rival.add(clock.now() - begun);
    }
    report.add_latency("coord: lock and unlock, recorded", ours, "SQLite, two commits", rival);
  }

  /// In turns among swarms that hold more and more, in one store with all that happened before.
  void beside_others() {
    std::array<std::unique_ptr<Host>, kHeld.size()> hosts;
    std::array<bench::Samples, kHeld.size()> samples;
    for (std::size_t i = 0; i < kHeld.size(); ++i) {
      hosts[i] = must(Host::open(loop, *store, "swm_" + std::to_string(kHeld[i]), random, {}));
      loop.block_on(hold(hosts[i].get(), kHeld[i]));
    }
    for (int turn = 0; turn < kTurns; ++turn) {
      for (std::size_t i = 0; i < kHeld.size(); ++i) {
        loop.block_on(lock_in_turn(hosts[i].get(), 200, &samples[i], &clock));
      }
    }
    report.add_latency("coord: lock and unlock, 100 others held", samples[0], "", {});
    report.add_latency("coord: lock and unlock, 1,000 others held", samples[1], "100 held", samples[0]);
    report.add_latency("coord: lock and unlock, 10,000 others held", samples[2], "100 held", samples[0]);
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::string json = bench::json_path_from(argc, argv);
  Bench bench;
  bench.messages();
  bench.steadily();
  bench.locks();
  bench.beside_others();
  const store::WriterStats stats = bench.store->stats();
  std::printf("jobs=%llu batches=%llu fsynced=%llu\n", static_cast<unsigned long long>(stats.jobs),
              static_cast<unsigned long long>(stats.batches), static_cast<unsigned long long>(stats.power_batches));
  if (!json.empty()) must(bench.report.write_json(json));
}
