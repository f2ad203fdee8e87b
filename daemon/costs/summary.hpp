#pragma once
// Sums for people: by whom or by what, over any time. Two ways to the same figures: by rollups, and by reading every
// entry; tests hold them together.

#include "daemon/costs/meter.hpp"

namespace swarm::costs {

enum class GroupBy : std::uint8_t { all, swarm, agent, role, task, label, provider, item, day };

struct Query {
  GroupBy by = GroupBy::all;
  std::optional<std::int64_t> since_us;  ///< inclusive
  std::optional<std::int64_t> until_us;  ///< exclusive
  std::optional<std::string> swarm;
  /// These cannot be combined by rollups: a query with them reads the entries.
  std::optional<std::string> agent;
  std::optional<std::string> role;
  std::optional<std::string> task;
  std::optional<std::string> label;
  std::optional<std::string> provider;
};

struct Line {
  std::string swarm;  ///< for `swarm` and `agent`; else empty
  std::string key;    ///< for `day`: "2026-07-01"
  Sums sums;
};

struct Summary {
  std::vector<Line> lines;  ///< dearest first; days in order
  Sums total;
  Sums open;                       ///< the part of it that is not booked yet: intervals that go on
  std::vector<Unpriced> unpriced;  ///< what was used in that time without a price; set by `Costs::summary`
};

/// Booked entries by rollups where the query allows, and what is `open` now beside them. On one snapshot.
Result<Summary> summarize(store::Database& db, const Query& query, std::span<const Entry> open);

/// Hands what goes on now to the visitor, one by one.
using OpenEntries = std::function<Result<void>(const EntryVisitor& visit)>;
/// The same without keeping what is open in memory.
Result<Summary> summarize_live(store::Database& db, const Query& query, const OpenEntries& open);

/// The same by reading every entry.
Result<Summary> summarize_by_scan(store::Database& db, const Query& query, std::span<const Entry> open);

/// The part of an entry inside [since, until): time is cut, tokens and calls belong to the moment they began at.
[[nodiscard]] std::optional<Entry> clipped(Entry entry, std::optional<std::int64_t> since_us,
                                           std::optional<std::int64_t> until_us);

}  // namespace swarm::costs
