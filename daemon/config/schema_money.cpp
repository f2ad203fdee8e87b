// Sections about money and rates.
#include "daemon/config/sections.hpp"

namespace swarm::config {
namespace {

/// USD with at most nine decimals, or nothing.
bool is_usd(const std::string& text) {
  if (text.empty()) return true;
  const auto dot = text.find('.');
  const std::string whole = text.substr(0, dot);
  const std::string part = dot == std::string::npos ? "0" : text.substr(dot + 1);
  const auto digits = [](const std::string& s) {
    return !s.empty() && s.find_first_not_of("0123456789") == std::string::npos;
  };
  return digits(whole) && whole.size() <= 9 && digits(part) && part.find_last_not_of('0') + 1 <= 9;
}

/// "2026-07-01", or with a time as in "2026-07-01T12:30:00Z"; or nothing.
bool is_utc(const std::string& text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00Z";
  if (text.empty()) return true;
  if (text.size() != 10 && text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return false;
  }
  return true;
}

/// "mcp/github", "e2b/*", "*".
bool is_key_pattern(const std::string& text) {
  return !text.empty() && text.size() <= 200 && text.find('*') >= text.size() - 1 &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("_.-/*").contains(c);
         });
}

Rule<std::string> key_pattern_rule() {
  return {"a name such as \"mcp/github\", or its beginning and * such as \"e2b/*\"", is_key_pattern, {}};
}
Rule<std::string> usd_rule() {
  return {"an amount in USD such as \"0.0000045\", with at most nine decimals", is_usd, {}};
}

}  // namespace

std::vector<Section> build_money_sections() {
  using enum Reload;
  return {
      fixed(
          "costs", &Config::costs, "How money is counted.",
          {setting("tick", &Costs::tick, now, "How often budgets are compared with what was spent.",
                   between(ms(100), sec(60))),
           setting("label", &Costs::label, next,
                   "The label of a sandbox whose value its costs are summed by, beside swarm, agent, role and task.")}),
      named(
          "price", &Config::prices,
          "What something costs from a time on. Of the tables that fit, the longest `applies_to` holds, of these the "
          "latest. Built in: `local/*` is free, `e2b/*` is E2B's list price. Entries of the ledger keep the price that "
          "they were made with.",
          {setting("applies_to", &Price::applies_to, now,
                   "`PROVIDER/TEMPLATE` for sandboxes, `model/NAME` for tokens, `mcp/NAME` for calls; `*` at the end "
                   "stands for anything.",
                   key_pattern_rule()),
           setting("valid_from", &Price::valid_from, now, "From when on, UTC. Empty: always.",
                   {"a time such as \"2026-07-01\" or \"2026-07-01T12:30:00Z\"", is_utc, {}}),
           setting("vcpu_second", &Price::vcpu_second, now, "USD a second for each vCPU.", usd_rule()),
           setting("gib_second", &Price::gib_second, now, "USD a second for each GiB of memory.", usd_rule()),
           setting("sandbox_second", &Price::sandbox_second, now, "USD a second for each sandbox, whatever its size.",
                   usd_rule()),
           setting("input_million", &Price::input_million, now, "USD for a million input tokens.", usd_rule()),
           setting("output_million", &Price::output_million, now, "USD for a million output tokens.", usd_rule()),
           setting("cache_read_million", &Price::cache_read_million, now,
                   "USD for a million tokens read from the provider's cache.", usd_rule()),
           setting("cache_write_million", &Price::cache_write_million, now, "USD for a million tokens written to it.",
                   usd_rule()),
           setting("call", &Price::call, now, "USD for a call.", usd_rule()),
           setting("bills_paused", &Price::bills_paused, now, "A paused sandbox costs as much as a running one.")}),
      named("rate", &Config::rates,
            "How fast something may be done. The longest `key` that fits holds. `swarmctl limits set` overrides it at "
            "run "
            "time.",
            {setting("key", &RateLimit::key, now,
                     "What is limited: `provider/e2b/create`, `mcp/github`, `model/anthropic`, `messages/*`.",
                     key_pattern_rule()),
             setting("rate", &RateLimit::rate, now, "At most so many in each period. Not set: no limit.",
                     {"a rate above zero such as \"60/min\" or \"5/s\"",
                      [](const Rate& rate) { return rate.count > 0; },
                      {}}),
             setting("burst", &RateLimit::burst, now, "So many may be done at once after a rest.",
                     between<std::uint32_t>(1, 1'000'000)),
             setting("guard", &RateLimit::guard, now,
                     "Jitter of the network: the far end counts no more than the rate although some arrive late.",
                     between(ms(0), sec(60))),
             setting("queue", &RateLimit::queue, now, "At most so many callers wait.",
                     between<std::uint32_t>(0, 1'000'000))}),
  };
}

}  // namespace swarm::config
