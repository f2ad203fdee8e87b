// A ledger of a million entries: what a summary takes by rollups, beside reading every entry, and that both are the
// same to the last part of a nano-USD.
//
//   costs_bench --fill DATABASE ENTRIES    writes entries into a store that a daemon has made, and measures nothing

#include <cstdio>

#include "daemon/costs/summary.hpp"
#include "protocol/store/core_schema.hpp"
#include "protocol/store/store.hpp"
#include "tests/bench/report.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::costs;

namespace {

constexpr int kEntries = 1'000'000;
constexpr int kBatch = 20'000;
constexpr int kSandboxes = 10'000;
constexpr std::int64_t kStartUs = 1'780'272'000'000'000;  // a midnight, UTC
constexpr std::int64_t kDays = 30;

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "costs_bench: %s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

Entry entry_at(int i) {
  const int box = i % kSandboxes;
  const std::int64_t slot = static_cast<std::int64_t>(i) * (kDays * kDayUs / kEntries);
  const std::int64_t room_us = kHourUs - slot % kHourUs;
  const std::int64_t ns = std::min<std::int64_t>(room_us * 1000, 1'000'000'007LL * (1 + i % 900));
  return {.start_us = kStartUs + slot,
          .span_ns = ns,
          .ns = ns,
          .mcpu = 2000,
          .mib = 4096,
          .price = 1,
          .owner = {.swarm = "swm_" + std::to_string(box % 20),
                    .agent = "agent-" + std::to_string(box % 10),
                    .role = box % 3 == 0 ? "lead" : "coder",
                    .task = "tsk_" + std::to_string(box % 1000),
                    .label = "team-" + std::to_string(box % 7),
                    .sandbox = "s" + std::to_string(box),
                    .provider = "e2b",
                    .item = "node"}};
}

void write(store::Database& db, int entries) {
  std::vector<PriceTable> tables = {
      {.name = "e2b", .applies_to = "e2b/*", .prices = {.vcpu_hour = 50'400'000, .gib_hour = 16'200'000}}};
  must(number_tables(db, tables));
  std::vector<Entry> batch;
  for (int i = 0; i < entries;) {
    batch.clear();
    for (int k = 0; k < kBatch && i < entries; ++k) batch.push_back(entry_at(i++));
    store::Transaction transaction = must(store::Transaction::begin(db, store::Transaction::Mode::immediate));
    must(book(db, batch));
    must(transaction.commit());
    if (db.wal_frames() >= store::WriterOptions{}.checkpoint_frames) must(db.checkpoint());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::array domains = {store::kCoreDomain, kCostDomain};
  const store::Identity identity{.program = "costs_bench"};
  if (argc == 4 && std::string_view(argv[1]) == "--fill") {
    store::Database db = must(store::open_or_create(argv[2], identity, {.access = store::Access::create}));
    write(db, std::atoi(argv[3]));
    return 0;
  }
  const std::string json = bench::json_path_from(argc, argv);
  const test::TemporaryDirectory dir;
  const SystemClock clock;
  store::Database db = must(store::open_or_create(dir / "db", identity, {.access = store::Access::create}));
  must(store::migrate(db, domains, identity));
  MonoTime start = clock.now();
  write(db, kEntries);
  const double seconds = std::chrono::duration<double>(clock.now() - start).count();
  std::printf("%d entries written in %.1f s (%.1f us each)\n", kEntries, seconds, seconds * 1e6 / kEntries);

  bench::Report report;
  struct Case {
    const char* name;
    Query query;
  };
  const std::int64_t now = kStartUs + kDays * kDayUs - 1'234'567'891;
  const std::vector<Case> cases = {
      {"all", {}},
      {"by swarm", {.by = GroupBy::swarm}},
      {"by agent", {.by = GroupBy::agent}},
      {"by task", {.by = GroupBy::task}},
      {"by label", {.by = GroupBy::label}},
      {"by day", {.by = GroupBy::day}},
      {"by agent, the last 24 h", {.by = GroupBy::agent, .since_us = now - kDayUs, .until_us = now}},
      {"by swarm, 20 odd days", {.by = GroupBy::swarm, .since_us = now - 20 * kDayUs - 1'234'567, .until_us = now}},
      {"by task, 20 odd days", {.by = GroupBy::task, .since_us = now - 20 * kDayUs - 1'234'567, .until_us = now}},
  };
  bool same = true;
  for (const Case& each : cases) {
    bench::Samples quick;
    Summary by_rollups;
    for (int i = 0; i < 20; ++i) {
      start = clock.now();
      by_rollups = must(summarize(db, each.query, {}));
      quick.add(clock.now() - start);
    }
    start = clock.now();
    const Summary by_scan = must(summarize_by_scan(db, each.query, {}));
    const Duration slow = clock.now() - start;
    bool equal = by_rollups.total == by_scan.total && by_rollups.lines.size() == by_scan.lines.size();
    for (std::size_t i = 0; equal && i < by_scan.lines.size(); ++i) {
      equal = by_rollups.lines[i].key == by_scan.lines[i].key && by_rollups.lines[i].sums == by_scan.lines[i].sums;
    }
    same = same && equal;
    const auto ms = [](Duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
    report.add({.name = std::string("cost summary ") + each.name + ", p99",
                .value = ms(quick.percentile(99)),
                .unit = "ms",
                .rival = equal ? "reading every entry (the same sums)" : "reading every entry (DIFFERENT SUMS)",
                .rival_value = ms(slow)});
  }
  if (!json.empty()) must(report.write_json(json));
  return same ? 0 : 1;
}
