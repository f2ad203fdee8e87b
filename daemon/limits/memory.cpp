#include "daemon/limits/memory.hpp"

#include "daemon/limits/limiters.hpp"

namespace swarm::limits {
namespace {

constexpr std::array kMigrations = {
    store::Migration{1, "limits", R"sql(
      CREATE TABLE limit_overrides (
        key TEXT PRIMARY KEY, rate_count INTEGER, rate_per_ns INTEGER,
        burst INTEGER NOT NULL, guard_ns INTEGER NOT NULL, queue INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE limit_memory (
        key TEXT PRIMARY KEY, level_millionths INTEGER NOT NULL, thousandths INTEGER NOT NULL,
        blocked_until_us INTEGER NOT NULL, kept_us INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE limit_run (id INTEGER PRIMARY KEY CHECK (id = 1), ended_well INTEGER NOT NULL) STRICT;
      INSERT INTO limit_run VALUES (1, 1);
    )sql"},
    store::Migration{2, "what is lent of reserves", R"sql(
      CREATE TABLE limit_lent (key TEXT NOT NULL, lent_us INTEGER NOT NULL, weight INTEGER NOT NULL) STRICT;
      CREATE INDEX limit_lent_by_key ON limit_lent (key);
    )sql"},
};

constexpr store::Sql kOverrides{"limits.overrides",
                                "SELECT key, rate_count, rate_per_ns, burst, guard_ns, queue FROM limit_overrides"};
constexpr store::Sql kMemory{"limits.memory",
                             "SELECT key, level_millionths, thousandths, blocked_until_us, kept_us FROM limit_memory"};
constexpr store::Sql kRun{"limits.run", "SELECT ended_well FROM limit_run"};
constexpr store::Sql kSetRun{"limits.set_run", "UPDATE limit_run SET ended_well = ?"};
constexpr store::Sql kKeep{"limits.keep", "INSERT OR REPLACE INTO limit_memory VALUES (?, ?, ?, ?, ?)"};
constexpr store::Sql kOverride{"limits.override", "INSERT OR REPLACE INTO limit_overrides VALUES (?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kDrop{"limits.drop", "DELETE FROM limit_overrides WHERE key = ?"};

// The wall clock may have been set back since: then it was lent now, and counts for longer, not for ever.
constexpr store::Sql kLentNow{"limits.lent_now", "UPDATE limit_lent SET lent_us = ?2 WHERE key = ?1 AND lent_us > ?2"};
constexpr store::Sql kForget{"limits.forget_lent", "DELETE FROM limit_lent WHERE key = ? AND lent_us < ?"};
constexpr store::Sql kLent{"limits.lent", "SELECT coalesce(sum(weight), 0) FROM limit_lent WHERE key = ?"};
constexpr store::Sql kLend{"limits.lend", "INSERT INTO limit_lent VALUES (?, ?, ?)"};

std::int64_t to_us(Duration d) { return std::chrono::duration_cast<std::chrono::microseconds>(d).count(); }

}  // namespace

const store::Domain kLimitsDomain{"limits", kMigrations};

Result<Recovered> take_up(store::Changes& changes) {
  using Int = std::int64_t;
  store::Database& db = changes.db();
  Recovered found;
  const auto run = db.one<bool>(kRun);
  if (!run) return fail(run.error());
  found.ended_well = *run && std::get<0>(**run);
  const auto overrides =
      db.all<std::string, std::optional<Int>, std::optional<Int>, std::uint32_t, Int, std::uint32_t>(kOverrides);
  if (!overrides) return fail(overrides.error());
  for (const auto& [key, count, per, burst, guard, queue] : *overrides) {
    Spec spec{.rate = {}, .burst = burst, .guard = Duration(guard), .queue = queue};
    if (count && per && *count > 0 && *per > 0) {
      spec.rate = Rate{.count = static_cast<std::uint64_t>(*count), .per = Duration(*per)};
    }
    found.overrides.emplace(key, spec);
  }
  const auto memory = db.all<std::string, Int, std::uint32_t, Int, Int>(kMemory);
  if (!memory) return fail(memory.error());
  for (const auto& [key, level, thousandths, until, kept] : *memory) {
    // The wall clock may have jumped since: never longer than what was left then.
    const Int left = std::clamp<Int>(until - changes.now().us, 0, std::max<Int>(0, until - kept));
    found.memory.emplace(key, Limiter::Memory{.level_millionths = static_cast<std::uint64_t>(level),
                                              .thousandths = thousandths,
                                              .blocked_for = std::chrono::microseconds(left)});
  }
  if (Result<void> set = db.run(kSetRun, false); !set) return fail(set.error());
  return found;
}

Result<void> keep(store::Changes& changes, const std::string& key, const Limiter::Memory& memory) {
  const std::int64_t now = changes.now().us;
  return changes.db().run(kKeep, key, memory.level_millionths, memory.thousandths, now + to_us(memory.blocked_for),
                          now);
}

Result<std::uint64_t> lend(store::Changes& changes, const std::string& key, std::uint64_t weight, std::uint64_t reserve,
                           Duration span) {
  store::Database& db = changes.db();
  const std::int64_t now = changes.now().us;
  if (Result<void> done = db.run(kLentNow, key, now); !done) return fail(done.error());
  if (Result<void> done = db.run(kForget, key, now - to_us(span)); !done) return fail(done.error());
  const auto lent = db.one<std::int64_t>(kLent, key);
  if (!lent) return fail(lent.error());
  const std::uint64_t before = *lent ? static_cast<std::uint64_t>(std::get<0>(**lent)) : 0;
  const std::uint64_t part = std::min(weight, reserve - std::min(reserve, before));
  if (part == 0) return std::uint64_t{0};
  if (Result<void> done = db.run(kLend, key, now, static_cast<std::int64_t>(part)); !done) return fail(done.error());
  return part;
}

Result<void> mark_ended_well(store::Changes& changes) { return changes.db().run(kSetRun, true); }

Result<void> keep_override(store::Changes& changes, const std::string& key, const Spec& spec) {
  using Int = std::optional<std::int64_t>;
  return changes.db().run(kOverride, key, spec.rate ? Int(static_cast<std::int64_t>(spec.rate->count)) : Int(),
                          spec.rate ? Int(spec.rate->per.count()) : Int(), spec.burst, spec.guard.count(), spec.queue);
}

Result<void> drop_override(store::Changes& changes, const std::string& key) { return changes.db().run(kDrop, key); }

void add(Counters& sum, const Counters& more) {
  sum.admitted += more.admitted;
  sum.admitted_weight += more.admitted_weight;
  sum.waited += more.waited;
  sum.refused += more.refused;
  sum.expired += more.expired;
  sum.throttled += more.throttled;
}

}  // namespace swarm::limits
