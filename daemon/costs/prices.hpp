#pragma once
// Price tables and which of them holds for what, when. What is priced has a name: `e2b/node` is a sandbox of a provider
// and template, `model/claude-sonnet-4` a model, `mcp/github` a server that is called. A table applies to one such name
// or to all that begin alike (`e2b/*`), from a time on. Of those that fit, the longest pattern holds, of these the
// latest, of these the configured one.
//
// A table that was ever used is kept for ever under a number, and ledger entries refer to that: a changed price changes
// nothing that was.

#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/costs/money.hpp"
#include "protocol/core/clock.hpp"
#include "protocol/store/database.hpp"

namespace swarm::costs {

struct PriceTable {
  std::int64_t id = 0;  ///< its number in the store; 0 before it is there
  std::string name;
  std::string applies_to;
  std::int64_t valid_from_us = 0;
  Prices prices;
  bool bills_paused = false;  ///< time that a sandbox is paused costs as well
  bool built_in = false;
  bool operator==(const PriceTable&) const = default;
};

/// All tables of a time of the configuration. Never changes, so any thread may read it.
class PriceBook {
 public:
  PriceBook() = default;
  explicit PriceBook(std::vector<PriceTable> tables) : tables_(std::move(tables)) {}

  /// What holds for `item` at that time; null when nothing does (it is free).
  [[nodiscard]] const PriceTable* find(std::string_view item, std::int64_t at_us) const;
  /// When after `after_us` another table may begin to hold for `item`.
  [[nodiscard]] std::optional<std::int64_t> next_change(std::string_view item, std::int64_t after_us) const;
  [[nodiscard]] const std::vector<PriceTable>& tables() const { return tables_; }
  std::vector<PriceTable>& tables() { return tables_; }

 private:
  std::vector<PriceTable> tables_;
};

/// The built-in list prices and those of `[price.NAME]`. `invalid_argument` names the setting.
[[nodiscard]] Result<std::vector<PriceTable>> price_tables(const std::map<std::string, config::Price>& configured);

/// "2026-07-01" or "2026-07-01T12:30:00Z", UTC, to microseconds since 1970.
[[nodiscard]] Result<std::int64_t> parse_utc(std::string_view text);

/// 1751328000000000 to "2025-07-01T00:00:00Z".
[[nodiscard]] std::string format_utc(std::int64_t us);

/// Finds or adds each table in the store and sets its number. Inside the caller's transaction.
Result<void> number_tables(store::Database& db, std::vector<PriceTable>& tables);

/// The table of that number.
Result<PriceTable> load_table(store::Database& db, std::int64_t id);

}  // namespace swarm::costs
