#include "client/commands/money_views.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ctime>

#include "client/commands/sandbox_views.hpp"
#include "client/output/human.hpp"
#include "client/output/money.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/core/units.hpp"

namespace swarm::client {
namespace {

constexpr std::int64_t kDayUs = 86'400'000'000;

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::uint64_t tokens_in(const api::CostLine& line) {
  return line.input_tokens + line.cache_read_tokens + line.cache_write_tokens;
}

std::string utc(std::int64_t us, bool with_day) {
  const std::time_t seconds = us / 1'000'000;
  std::tm t{};
  ::gmtime_r(&seconds, &t);
  if (!with_day) return fmt::format("{:02}:{:02}", t.tm_hour, t.tm_min);
  return fmt::format("{:02}-{:02} {:02}:{:02}:{:02}", t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}

std::string utc_day(std::int64_t us) {
  const std::time_t seconds = us / 1'000'000;
  std::tm t{};
  ::gmtime_r(&seconds, &t);
  return fmt::format("{:04}-{:02}-{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday);
}

std::string scope_of(const api::BudgetInfo& budget) {
  if (!budget.swarm) return "everything";
  return one_line(budget.agent ? *budget.swarm + " " + *budget.agent : *budget.swarm);
}

std::string does_now(api::BudgetLevel level) {
  switch (level) {
    case api::BudgetLevel::none:
      break;
    case api::BudgetLevel::warn:
      return "warned";
    case api::BudgetLevel::stop:
      return "no new work";
    case api::BudgetLevel::pause:
      return "paused";
    case api::BudgetLevel::kill:
      return "ended";
  }
  return "-";
}

std::string quantity_of(const api::CostEntry& entry) {
  switch (entry.kind) {
    case api::CostKind::sandbox:
      return fmt::format("{}, {:g} vCPU, {}",
                         human_duration(std::chrono::milliseconds((entry.ns + 500'000) / 1'000'000)),
                         entry.millicpus / 1000.0, human_size(std::uint64_t{entry.mib} << 20U));
    case api::CostKind::model:
      return fmt::format("{} in, {} out", human_count(entry.input + entry.cache_read + entry.cache_write),
                         human_count(entry.output));
    case api::CostKind::call:
      return fmt::format("{} {}", human_count(entry.calls), entry.calls == 1 ? "call" : "calls");
  }
  return "";
}

/// "vcpu_hour" to "vCPU hour".
std::string unit_of(const std::string& name) {
  static const std::map<std::string, std::string> kUnits = {{"vcpu_hour", "vCPU h"},
                                                            {"gib_hour", "GiB hour"},
                                                            {"sandbox_hour", "sandbox hour"},
                                                            {"input_million", "M tokens in"},
                                                            {"output_million", "M tokens out"},
                                                            {"cache_read_million", "M tokens cached"},
                                                            {"cache_write_million", "M tokens to cache"},
                                                            {"call_million", "M calls"}};
  const auto found = kUnits.find(name);
  return found == kUnits.end() ? name : found->second;
}

std::string rate_text(const api::LimitInfo& limit) { return limit.rate ? one_line(*limit.rate) : std::string("none"); }

Cell limit_state(const api::LimitInfo& limit) {
  if (limit.blocked_ms.count() > 0) return {"stands still " + human_duration(limit.blocked_ms), Style::bad};
  if (limit.speed_percent < 100) return {fmt::format("slowed to {:.0f} %", limit.speed_percent), Style::warning};
  if (limit.waiting > 0) return {"next in " + human_duration(limit.next_ms), Style::warning};
  return {"free"};
}

}  // namespace

Table summary_table(const api::CostSummaryReply& reply, api::CostGroup by, const std::string& title) {
  const bool tokens = tokens_in(reply.total) + reply.total.output_tokens > 0;
  const bool calls = reply.total.calls > 0;
  std::vector<Column> columns;
  if (by == api::CostGroup::agent) columns.push_back({"SWARM", Align::left, Fit::shorten});
  columns.push_back({by == api::CostGroup::all ? std::string() : upper(title), Align::left, Fit::shorten});
  columns.insert(
      columns.end(),
      {{"COST", Align::right}, {"SANDBOX H", Align::right}, {"VCPU H", Align::right}, {"GIB H", Align::right}});
  if (tokens) columns.insert(columns.end(), {{"TOKENS IN", Align::right}, {"OUT", Align::right}});
  if (calls) columns.push_back({"CALLS", Align::right});
  Table table(std::move(columns));
  const auto add = [&](const api::CostLine& line, const std::string& swarm, const Cell& key) {
    std::vector<Cell> row;
    if (by == api::CostGroup::agent) row.emplace_back(swarm);
    row.push_back(key);
    row.insert(row.end(), {human_usd(line.usd), human_hours(line.sandbox_hours), human_hours(line.vcpu_hours),
                           human_hours(line.gib_hours)});
    if (tokens) row.insert(row.end(), {human_count(tokens_in(line)), human_count(line.output_tokens)});
    if (calls) row.push_back({human_count(line.calls)});
    table.add(std::move(row));
  };
  if (by != api::CostGroup::all) {
    for (const api::CostLine& line : reply.lines) {
      const bool none = line.key.empty();
      add(line, one_line(line.swarm.value_or("")),
          {none ? std::string("(none)") : one_line(line.key), none ? Style::faint : Style::plain});
    }
  }
  if (by == api::CostGroup::agent) {
    add(reply.total, "total", {""});
  } else {
    add(reply.total, "", {"total", Style::strong});
  }
  return table;
}

std::vector<std::string> summary_notes(const api::CostSummaryReply& reply) {
  std::vector<std::string> notes;
  if (reply.running_usd != "0") notes.push_back(human_usd(reply.running_usd) + " of it is of sandboxes that run on");
  if (reply.total.uncertain_ms.count() > 0) {
    notes.push_back(fmt::format("{} of the time are estimated: some began or ended unseen",
                                human_duration(reply.total.uncertain_ms)));
  }
  for (const api::CostUnpriced& each : reply.unpriced) {
    notes.push_back(fmt::format("no price applies to {}: counted as free since {}{}", one_line(each.item),
                                utc_day(each.since_us),
                                each.until_us ? " until " + utc_day(*each.until_us) : std::string()));
  }
  return notes;
}

Table ledger_table(const api::CostLedgerReply& reply) {
  const bool unsure = std::ranges::any_of(reply.entries, [](const auto& entry) { return entry.uncertain_ns > 0; });
  const bool agents = std::ranges::any_of(reply.entries, [](const auto& entry) { return !entry.agent.empty(); });
  std::vector<Column> columns{{"BEGAN (UTC)"}, {"SWARM", Align::left, Fit::shorten}};
  if (agents) columns.push_back({"AGENT", Align::left, Fit::shorten});
  columns.insert(columns.end(), {{"ITEM", Align::left, Fit::shorten}, {"QUANTITY"}, {"COST", Align::right}});
  if (unsure) columns.push_back({"WITHIN", Align::right});
  Table table(std::move(columns));
  for (const api::CostEntry& entry : reply.entries) {
    std::vector<Cell> row{utc(entry.start_us, true), one_line(entry.swarm)};
    if (agents) row.emplace_back(one_line(entry.agent));
    row.insert(row.end(), {one_line(entry.provider + "/" + entry.item), quantity_of(entry), human_usd(entry.usd)});
    if (unsure) {
      const std::chrono::milliseconds within((entry.uncertain_ns + 999'999) / 1'000'000);
      row.emplace_back(entry.uncertain_ns == 0 ? std::string() : human_duration(within));
    }
    table.add(std::move(row));
  }
  return table;
}

Table prices_table(const api::CostPricesReply& reply) {
  Table table({{"TABLE", Align::left, Fit::shorten},
               {"APPLIES TO", Align::left, Fit::shorten},
               {"FROM"},
               {"USD", Align::right},
               {"FOR"},
               {"PAUSED"}});
  for (const api::PriceInfo& price : reply.prices) {
    std::vector<Cell> head{one_line(price.name) + (price.built_in ? " (built in)" : ""), one_line(price.applies_to),
                           price.valid_from_us ? utc_day(*price.valid_from_us) : std::string("always")};
    const std::string paused = price.bills_paused ? "costs" : "-";
    if (price.prices.empty()) {
      head.insert(head.end(), {"free", "-", paused});
      table.add(std::move(head));
    }
    for (const auto& [name, usd] : price.prices) {
      std::vector<Cell> row = std::exchange(head, {"", "", ""});
      row.insert(row.end(), {one_line(usd), unit_of(name), paused});
      table.add(std::move(row));
    }
  }
  return table;
}

Table budgets_table(const std::vector<api::BudgetInfo>& budgets, WallTime now) {
  Table table({{"BUDGET", Align::left, Fit::shorten},
               {"OF", Align::left, Fit::shorten},
               {"EVERY"},
               {"SPENT", Align::right},
               {"AMOUNT", Align::right},
               {"USED", Align::right},
               {"ACTS"},
               {"ENDS (UTC)"}});
  for (const api::BudgetInfo& budget : budgets) {
    const bool acts = budget.reached > api::BudgetLevel::warn;
    Cell does = {does_now(budget.reached), acts                                       ? Style::bad
                                           : budget.reached == api::BudgetLevel::warn ? Style::warning
                                                                                      : Style::plain};
    std::string ends = "-";
    if (budget.spent_percent >= 100) {
      ends = "used up";
    } else if (budget.ends_us) {
      const bool today = *budget.ends_us / kDayUs == now.us / kDayUs;
      ends = today ? utc(*budget.ends_us, false) : utc(*budget.ends_us, true).substr(0, 11);
    }
    table.add({one_line(budget.name), scope_of(budget),
               budget.period == api::BudgetPeriod::once ? std::string("-") : name_of(budget.period),
               human_usd(budget.spent_usd), human_usd(budget.amount_usd), human_percent(budget.spent_percent), does,
               ends});
  }
  return table;
}

Table limits_table(const std::vector<api::LimitInfo>& limits) {
  Table table({{"LIMIT"},
               {"RATE"},
               {"WAITING", Align::right},
               {"PASSED", Align::right},
               {"REFUSED", Align::right},
               {"429", Align::right},
               {"STATE", Align::left, Fit::shorten}});
  for (const api::LimitInfo& limit : limits) {
    table.add({one_line(limit.key),
               rate_text(limit) + (limit.from == "set" ? " (set)" : ""),
               {human_count(limit.waiting), limit.waiting > 0 ? Style::warning : Style::plain},
               human_count(limit.admitted),
               {human_count(limit.refused + limit.expired),
                limit.refused + limit.expired > 0 ? Style::warning : Style::plain},
               {human_count(limit.throttled), limit.throttled > 0 ? Style::warning : Style::plain},
               limit_state(limit)});
  }
  return table;
}

Table secrets_table(const std::vector<api::SecretInfo>& secrets) {
  Table table({{"SECRET", Align::left, Fit::shorten},
               {"FROM", Align::left, Fit::shorten},
               {"SWARMS", Align::left, Fit::shorten},
               {"ROLES", Align::left, Fit::shorten},
               {"HOSTS", Align::left, Fit::shorten}});
  for (const api::SecretInfo& secret : secrets) {
    const bool granted = !secret.swarms.empty();
    table.add({one_line(secret.name), one_line(secret.origin),
               granted ? one_line(fmt::format("{}", fmt::join(secret.swarms, ", "))) : std::string("(daemon only)"),
               granted ? one_line(fmt::format("{}", fmt::join(secret.roles, ", "))) : std::string("-"),
               secret.hosts.empty() ? std::string("-") : one_line(fmt::format("{}", fmt::join(secret.hosts, ", ")))});
  }
  return table;
}

Result<std::optional<std::int64_t>> read_moment(std::string_view option, const std::string& text, WallTime now) {
  if (text.empty()) return std::optional<std::int64_t>();
  const std::int64_t day = now.us / kDayUs * kDayUs;
  if (text == "today") return std::optional(day);
  std::tm tm{};
  if (text == "month") {
    const std::time_t seconds = now.us / 1'000'000;
    ::gmtime_r(&seconds, &tm);
    return std::optional(day - std::int64_t{tm.tm_mday - 1} * kDayUs);
  }
  for (const char* format : {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"}) {
    tm = {};
    const char* end = ::strptime(text.c_str(), format, &tm);
    if (end == nullptr || *end != '\0') continue;
    const int asked = tm.tm_mday;
    const std::int64_t us = std::int64_t{::timegm(&tm)} * 1'000'000;
    if (tm.tm_mday == asked) return std::optional(us);  // there is no 30th of February
  }
  if (const Result<Duration> ago = parse_duration(text)) {
    return std::optional(now.us - std::chrono::duration_cast<std::chrono::microseconds>(*ago).count());
  }
  return fail(Code::invalid_argument,
              fmt::format("{}: '{}' is no time; give 2h (ago), today, month, 2026-07-01 or 2026-07-01T12:30:00Z, UTC",
                          option, text));
}

}  // namespace swarm::client
