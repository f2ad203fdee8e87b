#include "daemon/costs/budget.hpp"

#include <fmt/format.h>

#include <ctime>

namespace swarm::costs {
namespace {

using Int = std::int64_t;

constexpr store::Sql kSaveBudget{"costs.save_budget",
                                 "INSERT OR REPLACE INTO cost_budgets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)"};
constexpr store::Sql kRemove{"costs.remove_budget", "DELETE FROM cost_budgets WHERE name = ?"};
constexpr store::Sql kReached{"costs.reached",
                              "UPDATE cost_budgets SET bucket = ?, reached = ? WHERE name = ? AND since_us = ?"};
constexpr store::Sql kAll{"costs.budgets",
                          "SELECT name, swarm, agent, period, nano, warn, stop, pause, kill, since_us, bucket, reached"
                          " FROM cost_budgets ORDER BY name"};

// What models and calls cost is known only afterwards; their rate is that of the last quarter of an hour.
constexpr Int kLookBackUs = 900'000'000;

bool belongs(const Owner& owner, const Budget& budget) {
  return (budget.swarm.empty() || owner.swarm == budget.swarm) && (budget.agent.empty() || owner.agent == budget.agent);
}

/// What is booked for it in the period.
Result<Amount> booked(store::Database& db, const Budget& budget, std::optional<Int> start, Int now_us) {
  const Dimension dimension = budget.agent.empty() ? Dimension::swarm : Dimension::agent;
  Span span = Span::ever;
  Int first = 0;
  Int last = 1;
  if (start) {
    span = Span::day;
    first = bucket_of(*start, kDayUs);
    last = std::max(first, bucket_of(now_us, kDayUs)) + 1;
  }
  if (!budget.swarm.empty()) {
    const Result<Sums> sums = rollup_of(db, dimension, span, first, last, budget.swarm, budget.agent);
    if (!sums) return fail(sums.error());
    return sums->amount;
  }
  const Result<std::vector<Rollup>> rows = rollups(db, dimension, span, first, last);
  if (!rows) return fail(rows.error());
  Amount sum;
  for (const Rollup& row : *rows) sum += row.sums.amount;
  return sum;
}

std::vector<Standing> from_rows(const auto& rows) {
  std::vector<Standing> all;
  for (const auto& [name, swarm, agent, period, nano, warn, stop, pause, kill, since, bucket, reached] : rows) {
    all.push_back({.budget = {.name = name,
                              .swarm = swarm,
                              .agent = agent,
                              .period = static_cast<Period>(period),
                              .nano = nano,
                              .warn = warn,
                              .stop = stop,
                              .pause = pause,
                              .kill = kill,
                              .since_us = since},
                   .bucket = bucket,
                   .reached = static_cast<Level>(reached)});
  }
  return all;
}

}  // namespace

std::optional<std::uint32_t> threshold(const Budget& budget, Level level) {
  switch (level) {
    case Level::none:
      return std::nullopt;
    case Level::warn:
      return budget.warn;
    case Level::stop:
      return budget.stop;
    case Level::pause:
      return budget.pause;
    case Level::kill:
      return budget.kill;
  }
  return std::nullopt;
}

Level level_of(const Budget& budget, Amount spent) {
  for (const Level level : {Level::kill, Level::pause, Level::stop, Level::warn}) {
    const auto percent = threshold(budget, level);
    // spent >= nano * percent / 100, without rounding.
    if (percent && spent.parts() >= Amount::from_nano(budget.nano).parts() / 100 * *percent) return level;
  }
  return Level::none;
}

Int period_bucket(Period period, Int at_us) {
  switch (period) {
    case Period::once:
      return 0;
    case Period::day:
      return bucket_of(at_us, kDayUs);
    case Period::month: {
      const std::time_t seconds = bucket_of(at_us, 1'000'000);
      std::tm tm{};
      ::gmtime_r(&seconds, &tm);
      return Int{tm.tm_year} * 12 + tm.tm_mon;
    }
  }
  return 0;
}

std::optional<Int> period_start(Period period, Int bucket) {
  switch (period) {
    case Period::once:
      return std::nullopt;
    case Period::day:
      return bucket * kDayUs;
    case Period::month: {
      std::tm tm{};
      tm.tm_year = static_cast<int>(bucket / 12);
      tm.tm_mon = static_cast<int>(bucket % 12);
      tm.tm_mday = 1;
      return static_cast<Int>(::timegm(&tm)) * 1'000'000;
    }
  }
  return std::nullopt;
}

std::string forecast(const Standing& standing, Int now_us) {
  const Amount limit = Amount::from_nano(standing.budget.nano);
  if (standing.spent >= limit) {
    return fmt::format("the budget of ${} is used up: ${} are spent", limit.usd(), standing.spent.usd());
  }
  if (standing.an_hour.nano() <= 0) return "nothing is being spent now";
  const std::string rate = fmt::format("at this rate (${} an hour)", standing.an_hour.usd());
  if (!standing.ends_us) return fmt::format("{} the budget lasts to the end of its period", rate);
  const std::string when = format_utc(*standing.ends_us);
  const bool today = bucket_of(*standing.ends_us, kDayUs) == bucket_of(now_us, kDayUs);
  return fmt::format("{} the budget ends at {}{} UTC", rate, today ? "" : when.substr(0, 10) + " ", when.substr(11, 5));
}

Result<void> save_budget(store::Database& db, const Budget& b) {
  return db.run(kSaveBudget, b.name, b.swarm, b.agent, static_cast<int>(b.period), b.nano, b.warn, b.stop, b.pause,
                b.kill, b.since_us);
}

Result<bool> remove_budget(store::Database& db, const std::string& name) {
  if (Result<void> done = db.run(kRemove, name); !done) return fail(done.error());
  return db.changes() > 0;
}

Result<bool> save_reached(store::Database& db, const Budget& budget, Int bucket, Level reached) {
  Result<void> done = db.run(kReached, bucket, static_cast<int>(reached), budget.name, budget.since_us);
  if (!done) return fail(done.error());
  return db.changes() > 0;
}

Result<std::vector<Standing>> standings(store::Database& db, const Meter& meter, Moment now) {
  using Percent = std::optional<std::uint32_t>;
  const auto rows =
      db.all<std::string, std::string, std::string, int, Int, Percent, Percent, Percent, Percent, Int, Int, int>(kAll);
  if (!rows) return fail(rows.error());
  std::vector<Standing> all = from_rows(*rows);
  if (all.empty()) return all;
  const Int now_us = now.wall.us;
  const Result<std::vector<Entry>> open = meter.accrued(db, now);
  if (!open) return fail(open.error());
  Result<std::vector<Entry>> rate = meter.burning(db, now);
  if (!rate) return fail(rate.error());
  Result<void> scanned =
      scan(db, now_us - kLookBackUs, now_us + 1, [&](std::int64_t, const Entry& entry) -> Result<bool> {
        if (entry.kind == Kind::sandbox) return true;
        for (Int i = 0; i < kHourUs / kLookBackUs; ++i) rate->push_back(entry);
        return true;
      });
  if (!scanned) return fail(scanned.error());

  PriceCache prices(db);
  for (Standing& standing : all) {
    const Budget& budget = standing.budget;
    // A wall clock that goes back does not bring a period back.
    const Int bucket = std::max(standing.bucket, period_bucket(budget.period, now_us));
    const auto start = period_start(budget.period, bucket);
    const Result<Amount> settled = booked(db, budget, start, now_us);
    if (!settled) return fail(settled.error());
    standing.spent = *settled;
    for (const Entry& entry : *open) {
      if (!belongs(entry.owner, budget)) continue;
      const std::optional<Entry> part = clipped(entry, start, std::nullopt);
      if (!part) continue;
      const Result<Sums> sums = sums_of(*part, prices);
      if (!sums) return fail(sums.error());
      standing.spent += sums->amount;
    }
    for (const Entry& entry : *rate) {
      if (!belongs(entry.owner, budget)) continue;
      const Result<Sums> sums = sums_of(entry, prices);
      if (!sums) return fail(sums.error());
      standing.an_hour += sums->amount;
    }
    const Int128 left = (Amount::from_nano(budget.nano) - standing.spent).nano();
    const Int128 an_hour = standing.an_hour.nano();
    if (left <= 0 || an_hour <= 0) continue;
    const Int128 ends = now_us + divide_up(left * kHourUs, an_hour);
    const auto next = period_start(budget.period, bucket + 1);
    if (ends < (Int128{1} << 52) && (!next || ends < *next)) standing.ends_us = static_cast<Int>(ends);
  }
  return all;
}

}  // namespace swarm::costs
