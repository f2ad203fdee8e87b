#include "daemon/costs/prices.hpp"

#include <fmt/format.h>

#include <ctime>

namespace swarm::costs {
namespace {

using Int = std::int64_t;

constexpr store::Sql kFind{
    "costs.find_price",
    "SELECT id FROM cost_prices WHERE name = ? AND applies_to = ? AND valid_from_us = ? AND bills_paused = ?"
    " AND vcpu_hour = ? AND gib_hour = ? AND sandbox_hour = ? AND input_million = ? AND output_million = ?"
    " AND cache_read_million = ? AND cache_write_million = ? AND call_million = ?"};
constexpr store::Sql kAddTable{
    "costs.add_price",
    "INSERT INTO cost_prices (name, applies_to, valid_from_us, bills_paused, vcpu_hour, gib_hour, sandbox_hour,"
    " input_million, output_million, cache_read_million, cache_write_million, call_million)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kLoadTable{
    "costs.load_price",
    "SELECT name, applies_to, valid_from_us, bills_paused, vcpu_hour, gib_hour, sandbox_hour, input_million,"
    " output_million, cache_read_million, cache_write_million, call_million FROM cost_prices WHERE id = ?"};

bool fits(std::string_view pattern, std::string_view item) {
  if (!pattern.ends_with('*')) return pattern == item;
  return item.starts_with(pattern.substr(0, pattern.size() - 1));
}

/// One price of a table: `text` USD for each `per`-th of what it is kept as.
Result<void> read(const std::string& name, std::string_view setting, const std::string& text, std::int64_t times,
                  std::int64_t& out) {
  if (text.empty()) return {};
  const Result<std::int64_t> nano = parse_usd(text);
  if (!nano) return fail(nano.error(), fmt::format("price.{}.{}", name, setting));
  if (__builtin_mul_overflow(*nano, times, &out)) {
    return fail(Code::invalid_argument, fmt::format("price.{}.{}: {} is too much", name, setting, text));
  }
  return {};
}

Result<PriceTable> from_config(const std::string& name, const config::Price& from) {
  PriceTable table{.name = name, .applies_to = from.applies_to, .bills_paused = from.bills_paused};
  if (table.applies_to.empty()) {
    return fail(Code::invalid_argument, fmt::format("price.{}: 'applies_to' says what it is the price of", name));
  }
  if (!from.valid_from.empty()) {
    const Result<std::int64_t> at = parse_utc(from.valid_from);
    if (!at) return fail(at.error(), fmt::format("price.{}.valid_from", name));
    table.valid_from_us = *at;
  }
  Prices& p = table.prices;
  for (const Result<void>& done :
       {read(name, "vcpu_second", from.vcpu_second, 3600, p.vcpu_hour),
        read(name, "gib_second", from.gib_second, 3600, p.gib_hour),
        read(name, "sandbox_second", from.sandbox_second, 3600, p.sandbox_hour),
        read(name, "input_million", from.input_million, 1, p.input_million),
        read(name, "output_million", from.output_million, 1, p.output_million),
        read(name, "cache_read_million", from.cache_read_million, 1, p.cache_read_million),
        read(name, "cache_write_million", from.cache_write_million, 1, p.cache_write_million),
        read(name, "call", from.call, 1'000'000, p.call_million)}) {
    if (!done) return fail(done.error());
  }
  return table;
}

}  // namespace

const PriceTable* PriceBook::find(std::string_view item, std::int64_t at_us) const {
  const PriceTable* best = nullptr;
  const auto rank = [](const PriceTable& t) {
    return std::tuple(t.applies_to.size(), t.valid_from_us, !t.built_in, t.id);
  };
  for (const PriceTable& table : tables_) {
    if (table.valid_from_us > at_us || !fits(table.applies_to, item)) continue;
    if (best == nullptr || rank(*best) < rank(table)) best = &table;
  }
  return best;
}

std::optional<std::int64_t> PriceBook::next_change(std::string_view item, std::int64_t after_us) const {
  std::optional<std::int64_t> next;
  for (const PriceTable& table : tables_) {
    if (table.valid_from_us <= after_us || !fits(table.applies_to, item)) continue;
    next = std::min(next.value_or(table.valid_from_us), table.valid_from_us);
  }
  return next;
}

Result<std::vector<PriceTable>> price_tables(const std::map<std::string, config::Price>& configured) {
  std::vector<PriceTable> tables;
  tables.push_back({.name = "local", .applies_to = "local/*", .built_in = true});
  // E2B's list prices: $0.000014 a second and vCPU, $0.0000045 a second and GiB; a paused sandbox costs nothing.
  tables.push_back({.name = "e2b",
                    .applies_to = "e2b/*",
                    .prices = {.vcpu_hour = 14'000 * 3600, .gib_hour = 4'500 * 3600},
                    .built_in = true});
  for (const auto& [name, from] : configured) {
    Result<PriceTable> table = from_config(name, from);
    if (!table) return fail(table.error());
    tables.push_back(std::move(*table));
  }
  return tables;
}

Result<std::int64_t> parse_utc(std::string_view text) {
  std::tm tm{};
  const std::string copy(text);
  for (const char* format : {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"}) {
    tm = {};
    const char* end = ::strptime(copy.c_str(), format, &tm);
    if (end == nullptr || *end != '\0') continue;
    const std::tm asked = tm;
    const std::time_t seconds = ::timegm(&tm);
    if (tm.tm_mday != asked.tm_mday) break;  // 2026-02-30
    return static_cast<std::int64_t>(seconds) * 1'000'000;
  }
  return fail(Code::invalid_argument,
              fmt::format("'{}' is no time: \"2026-07-01\" or \"2026-07-01T12:30:00Z\", UTC", text));
}

std::string format_utc(std::int64_t us) {
  const std::time_t seconds = us / 1'000'000;
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                     tm.tm_min, tm.tm_sec);
}

Result<void> number_tables(store::Database& db, std::vector<PriceTable>& tables) {
  for (PriceTable& t : tables) {
    const Prices& p = t.prices;
    const auto known = db.one<std::int64_t>(kFind, t.name, t.applies_to, t.valid_from_us, t.bills_paused, p.vcpu_hour,
                                            p.gib_hour, p.sandbox_hour, p.input_million, p.output_million,
                                            p.cache_read_million, p.cache_write_million, p.call_million);
    if (!known) return fail(known.error());
    if (*known) {
      t.id = std::get<0>(**known);
      continue;
    }
    Result<void> added = db.run(kAddTable, t.name, t.applies_to, t.valid_from_us, t.bills_paused, p.vcpu_hour,
                                p.gib_hour, p.sandbox_hour, p.input_million, p.output_million, p.cache_read_million,
                                p.cache_write_million, p.call_million);
    if (!added) return added;
    t.id = db.last_insert_rowid();
  }
  return {};
}

Result<PriceTable> load_table(store::Database& db, std::int64_t id) {
  if (id == 0) return PriceTable{};  // nothing held: free
  const auto row = db.one<std::string, std::string, Int, bool, Int, Int, Int, Int, Int, Int, Int, Int>(kLoadTable, id);
  if (!row) return fail(row.error());
  if (!*row) return fail(Code::internal, fmt::format("the ledger names price table {}, which is not kept", id));
  const auto& [name, applies_to, from, paused, vcpu, gib, sandbox, in, out, read, write, call] = **row;
  return PriceTable{.id = id,
                    .name = name,
                    .applies_to = applies_to,
                    .valid_from_us = from,
                    .prices = {vcpu, gib, sandbox, in, out, read, write, call},
                    .bills_paused = paused};
}

}  // namespace swarm::costs
