#pragma once
// Budgets: how much a swarm, an agent or everybody may spend in a day, a month or at all, and what happens on the way
// there. The rules stand here; budgets.hpp watches.

#include "daemon/costs/summary.hpp"

namespace swarm::costs {

enum class Period : std::uint8_t { once, day, month };

/// What a budget does, one after the other.
enum class Level : std::uint8_t {
  none,
  warn,   ///< tells
  stop,   ///< no new work begins
  pause,  ///< its sandboxes are paused
  kill,   ///< its sandboxes are ended
};

struct Budget {
  std::string name;
  std::string swarm;  ///< empty: everything
  std::string agent;  ///< with `swarm`; empty: the whole swarm
  Period period = Period::once;
  std::int64_t nano = 0;  ///< nano-USD
  /// At how many percent of it each level is reached; nothing: never.
  std::optional<std::uint32_t> warn;
  std::optional<std::uint32_t> stop;
  std::optional<std::uint32_t> pause;
  std::optional<std::uint32_t> kill;
  std::int64_t since_us = 0;  ///< when it was set
  bool operator==(const Budget&) const = default;
};

/// The highest level that `spent` reaches.
[[nodiscard]] Level level_of(const Budget& budget, Amount spent);

/// The threshold of a level; nothing where the budget has none.
[[nodiscard]] std::optional<std::uint32_t> threshold(const Budget& budget, Level level);

/// Which day or month, UTC, that is; 0 for `once`.
[[nodiscard]] std::int64_t period_bucket(Period period, std::int64_t at_us);
/// Where it begins; nothing for `once`.
[[nodiscard]] std::optional<std::int64_t> period_start(Period period, std::int64_t bucket);

/// Where a budget stands.
struct Standing {
  Budget budget;
  std::int64_t bucket = 0;              ///< the period that `reached` belongs to
  Level reached = Level::none;          ///< acted on
  Amount spent;                         ///< in the period of now, with what runs
  Amount an_hour;                       ///< at which rate it goes on
  std::optional<std::int64_t> ends_us;  ///< when it is used up at this rate; nothing when the period ends before
};

/// "at this rate ($0.1656 an hour) the budget ends at 14:32 UTC".
[[nodiscard]] std::string forecast(const Standing& standing, std::int64_t now_us);

/// Adds or replaces.
Result<void> save_budget(store::Database& db, const Budget& budget);
/// False when there was none.
Result<bool> remove_budget(store::Database& db, const std::string& name);
/// Notes that `reached` was acted on in that period, unless the budget has been set anew since.
Result<bool> save_reached(store::Database& db, const Budget& budget, std::int64_t bucket, Level reached);

/// Every budget with what is spent now; by name.
Result<std::vector<Standing>> standings(store::Database& db, const Meter& meter, Moment now);

}  // namespace swarm::costs
