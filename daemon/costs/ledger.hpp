#pragma once
// The ledger: what was used, by whom, at which price. An entry is never changed. Beside it stand rollups, kept in the
// same transaction, so that sums over millions of entries are read from a few rows:
//
//   cost_ledger    one row a part of an interval, of a model's answer, of a call; within one hour, UTC
//   cost_rollups   (dimension, span, bucket, swarm, key) -> exact sums; span is an hour, a day, or all time
//
// A sum over [since, until) takes whole days, then whole hours, and reads the ledger itself only within the two hours
// at its ends.

#include <map>
#include <span>
#include <string>

#include "daemon/costs/prices.hpp"
#include "protocol/store/store.hpp"

namespace swarm::costs {

/// The tables of this domain.
extern const store::Domain kCostDomain;

inline constexpr std::int64_t kHourUs = 3'600'000'000;
inline constexpr std::int64_t kDayUs = 24 * kHourUs;

/// Which side of zero does not matter: floor(us / unit).
[[nodiscard]] constexpr std::int64_t bucket_of(std::int64_t us, std::int64_t unit) {
  return us / unit - (us % unit < 0 ? 1 : 0);
}

/// Who and what a cost belongs to; what is not known is empty.
struct Owner {
  std::string swarm;
  std::string agent;
  std::string role;
  std::string task;
  std::string label;
  std::string sandbox;
  std::string provider;  ///< "e2b", "anthropic", "mcp"
  std::string item;      ///< template, model, server
  auto operator<=>(const Owner&) const = default;
};

enum class Kind : std::uint8_t { sandbox, model, call };

struct Entry {
  Kind kind = Kind::sandbox;
  std::int64_t start_us = 0;
  std::int64_t span_ns = 0;  ///< how long it took; within one hour
  std::int64_t ns = 0;       ///< this owner's part of it
  std::uint32_t mcpu = 0;    ///< thousandths of a vCPU, during `ns`
  std::uint32_t mib = 0;
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write = 0;
  std::int64_t calls = 0;
  std::int64_t bound_ns = 0;  ///< the time is an estimate that is off by at most so much; 0: measured
  std::int64_t price = 0;     ///< number of the price table; 0: free
  std::string source;         ///< what it was booked for; the same is booked once. Empty: no such check
  Owner owner;

  [[nodiscard]] Quantities quantities() const;
};

/// Exact sums of entries.
struct Sums {
  Quantities quantities;
  Amount amount;
  Int128 bound_ns = 0;
  Int128 entries = 0;
  bool operator==(const Sums&) const = default;
  Sums& operator+=(const Sums& more);
};

/// Price tables by number, read once each.
class PriceCache {
 public:
  explicit PriceCache(store::Database& db) : db_(db) {}
  Result<const PriceTable*> at(std::int64_t id);

 private:
  store::Database& db_;
  std::map<std::int64_t, PriceTable> known_;
};

/// What an entry comes to.
Result<Sums> sums_of(const Entry& entry, PriceCache& prices);

/// Books entries and their rollups, in the caller's transaction. Entries whose source is booked already are left out;
/// gives how many were booked.
Result<std::size_t> book(store::Database& db, std::span<const Entry> entries);

/// By what sums are grouped.
enum class Dimension : std::uint8_t { swarm, agent, role, task, label, provider, item };
inline constexpr int kDimensions = 7;

/// The part of an owner that stands for it in a dimension; empty for `swarm`, which stands beside it.
[[nodiscard]] const std::string& key_of(const Owner& owner, Dimension dimension);

enum class Span : std::uint8_t { hour, day, ever };

/// A row of the rollups.
struct Rollup {
  std::int64_t bucket = 0;
  std::string swarm;
  std::string key;
  Sums sums;
};

/// Rows of one dimension and span with first <= bucket < last, in order.
Result<std::vector<Rollup>> rollups(store::Database& db, Dimension dimension, Span span, std::int64_t first,
                                    std::int64_t last);

/// The sums of one swarm and key over the buckets, for budgets.
Result<Sums> rollup_of(store::Database& db, Dimension dimension, Span span, std::int64_t first, std::int64_t last,
                       const std::string& swarm, const std::string& key);

enum class Order : std::uint8_t { oldest_first, newest_first };

/// Calls `visit` with the entries that begin in [from_us, to_us), by start and number; it returns false to stop.
Result<void> scan(store::Database& db, std::int64_t from_us, std::int64_t to_us,
                  const std::function<Result<bool>(std::int64_t id, const Entry& entry)>& visit,
                  Order order = Order::oldest_first);

}  // namespace swarm::costs
