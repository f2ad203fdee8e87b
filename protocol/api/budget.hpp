#pragma once
// Budgets: how much may be spent, and what happens on the way there.

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class BudgetPeriod : std::uint8_t { once, day, month };

template <class D>
void describe_enum(D& d, BudgetPeriod*) {
  d.type("BudgetPeriod", "How often a budget begins anew.");
  d.value("once", BudgetPeriod::once, "Never.");
  d.value("day", BudgetPeriod::day, "Each day, at midnight UTC.");
  d.value("month", BudgetPeriod::month, "Each month, at midnight UTC of its first day.");
}

enum class BudgetLevel : std::uint8_t { none, warn, stop, pause, kill };

template <class D>
void describe_enum(D& d, BudgetLevel*) {
  d.type("BudgetLevel", "What a budget does.");
  d.value("none", BudgetLevel::none, "Nothing yet; in an event: what it did is lifted.");
  d.value("warn", BudgetLevel::warn, "It tells.");
  d.value("stop", BudgetLevel::stop, "No new work begins.");
  d.value("pause", BudgetLevel::pause, "Its sandboxes are paused.");
  d.value("kill", BudgetLevel::kill, "Its sandboxes are ended.");
  d.unknown(BudgetLevel::none);
}

struct BudgetSetRequest {
  std::string name;
  std::optional<std::string> swarm;
  std::optional<std::string> agent;
  BudgetPeriod period = BudgetPeriod::once;
  std::string amount_usd;
  std::optional<std::uint32_t> warn_percent = 80;
  std::optional<std::uint32_t> stop_percent = 100;
  std::optional<std::uint32_t> pause_percent;
  std::optional<std::uint32_t> kill_percent;
  bool operator==(const BudgetSetRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("BudgetSetRequest", "A budget.");
    d.field("name", &BudgetSetRequest::name, "Its name; one of the same name is replaced.")
        .required()
        .non_empty()
        .max_length(63);
    d.field("swarm", &BudgetSetRequest::swarm, "What this swarm spends; else all of them together.").max_length(100);
    d.field("agent", &BudgetSetRequest::agent, "What this agent of the swarm spends.").max_length(100);
    d.field("period", &BudgetSetRequest::period, "How often it begins anew.");
    d.field("amount_usd", &BudgetSetRequest::amount_usd, "How much, in USD: `5`, `0.25`.").required().max_length(30);
    d.field("warn_percent", &BudgetSetRequest::warn_percent, "Tells at so many percent; 0: never.").max(1000);
    d.field("stop_percent", &BudgetSetRequest::stop_percent, "Lets no new work begin at so many percent; 0: never.")
        .max(1000);
    d.field("pause_percent", &BudgetSetRequest::pause_percent, "Pauses its sandboxes at so many percent.").max(1000);
    d.field("kill_percent", &BudgetSetRequest::kill_percent, "Ends its sandboxes at so many percent.").max(1000);
  }
};

struct BudgetInfo {
  std::string name;
  std::optional<std::string> swarm;
  std::optional<std::string> agent;
  BudgetPeriod period = BudgetPeriod::once;
  std::string amount_usd;
  std::string spent_usd;
  double spent_percent = 0;
  std::string hourly_usd;
  std::optional<std::int64_t> ends_us;
  std::string forecast;
  BudgetLevel reached = BudgetLevel::none;
  std::optional<std::uint32_t> warn_percent;
  std::optional<std::uint32_t> stop_percent;
  std::optional<std::uint32_t> pause_percent;
  std::optional<std::uint32_t> kill_percent;
  bool operator==(const BudgetInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("BudgetInfo", "A budget and where it stands.");
    d.field("name", &BudgetInfo::name, "Its name.").required();
    d.field("swarm", &BudgetInfo::swarm, "Whose spending it counts; absent: everybody's.");
    d.field("agent", &BudgetInfo::agent, "The agent whose spending it counts.");
    d.field("period", &BudgetInfo::period, "How often it begins anew.").required();
    d.field("amount_usd", &BudgetInfo::amount_usd, "How much.").required();
    d.field("spent_usd", &BudgetInfo::spent_usd, "What is spent in this period, with what runs.").required();
    d.field("spent_percent", &BudgetInfo::spent_percent, "The same in percent of it.");
    d.field("hourly_usd", &BudgetInfo::hourly_usd, "What is spent in an hour at the rate of now.");
    d.field("ends_us", &BudgetInfo::ends_us, "When it is used up at this rate, UTC; absent when it is not.");
    d.field("forecast", &BudgetInfo::forecast, "The same as a sentence.");
    d.field("reached", &BudgetInfo::reached, "What it has done in this period.").required();
    d.field("warn_percent", &BudgetInfo::warn_percent, "When it tells.");
    d.field("stop_percent", &BudgetInfo::stop_percent, "When it lets no new work begin.");
    d.field("pause_percent", &BudgetInfo::pause_percent, "When it pauses.");
    d.field("kill_percent", &BudgetInfo::kill_percent, "When it ends.");
  }
};

struct BudgetListReply {
  std::vector<BudgetInfo> budgets;
  bool operator==(const BudgetListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("BudgetListReply", "All budgets, by name.");
    d.field("budgets", &BudgetListReply::budgets, "The budgets.").required();
  }
};

struct BudgetRemoveRequest {
  std::string name;
  bool operator==(const BudgetRemoveRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("BudgetRemoveRequest", "Which budget.");
    d.field("name", &BudgetRemoveRequest::name, "Its name.").required().non_empty().max_length(63);
  }
};

/// Data of `budget.reached`.
struct BudgetReached {
  std::string name;
  BudgetLevel level = BudgetLevel::none;
  std::string amount_usd;
  std::string spent_usd;
  std::string message;
  bool operator==(const BudgetReached&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("BudgetReached", "A threshold of a budget was reached.");
    d.field("name", &BudgetReached::name, "The budget.").required();
    d.field("level", &BudgetReached::level, "What it does now.").required();
    d.field("amount_usd", &BudgetReached::amount_usd, "How much it is.").required();
    d.field("spent_usd", &BudgetReached::spent_usd, "What is spent.").required();
    d.field("message", &BudgetReached::message, "The same as a sentence.").required();
  }
};

inline constexpr Method<BudgetSetRequest, BudgetInfo> kBudgetSet{{
    .name = "budget.set",
    .doc = "Sets a budget. What it did is lifted, and what the new one asks for is done at once.",
    .effect = Effect::changes,
}};
inline constexpr Method<Empty, BudgetListReply> kBudgetList{{
    .name = "budget.list",
    .doc = "Lists budgets, what is spent of each, and when it ends at this rate.",
}};
inline constexpr Method<BudgetRemoveRequest, Empty> kBudgetRemove{{
    .name = "budget.remove",
    .doc = "Removes a budget and lifts what it did.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such budget"}},
}};

inline constexpr EventType<BudgetReached> kBudgetReached{
    {.name = "budget.reached", .doc = "A budget reached a threshold and acts, or lifts what it did."}};

std::span<const MethodInfo* const> budget_methods();
std::span<const EventInfo* const> budget_events();

}  // namespace swarm::api
