#pragma once
// How fast things may be done, and who waits for it.

#include "protocol/api/method.hpp"

namespace swarm::api {

struct LimitInfo {
  std::string key;
  std::optional<std::string> rate;
  std::uint32_t burst = 1;
  std::chrono::milliseconds guard_ms{0};
  std::uint32_t queue = 0;
  std::string from;
  bool counted = false;
  std::uint64_t waiting = 0;
  std::map<std::string, std::uint64_t> waiting_by_swarm;
  std::uint64_t admitted = 0;
  std::uint64_t waited = 0;
  std::uint64_t refused = 0;
  std::uint64_t expired = 0;
  std::uint64_t throttled = 0;
  double speed_percent = 100;
  std::chrono::milliseconds blocked_ms{0};
  std::chrono::milliseconds next_ms{0};
  bool operator==(const LimitInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LimitInfo", "A rate limit and where it stands.");
    d.field("key", &LimitInfo::key, "What is limited: `provider/e2b/create`, `mcp/github`.").required();
    d.field("rate", &LimitInfo::rate, "How much in which time: `60/min`; absent: as fast as one likes.");
    d.field("burst", &LimitInfo::burst, "How much at once after a rest.");
    d.field("guard_ms", &LimitInfo::guard_ms, "Jitter of the network that is allowed for.");
    d.field("queue", &LimitInfo::queue, "Most callers that may wait.");
    d.field("from", &LimitInfo::from, "Where it comes from: `built in`, `configuration`, `set`.");
    d.field("counted", &LimitInfo::counted, "The other side keeps count, so it is remembered over a restart.");
    d.field("waiting", &LimitInfo::waiting, "Callers that wait now.");
    d.field("waiting_by_swarm", &LimitInfo::waiting_by_swarm, "The same by swarm.");
    d.field("admitted", &LimitInfo::admitted, "Let through since the start.");
    d.field("waited", &LimitInfo::waited, "Of these, how many had to wait.");
    d.field("refused", &LimitInfo::refused, "Refused because too many waited.");
    d.field("expired", &LimitInfo::expired, "Given up at their deadline.");
    d.field("throttled", &LimitInfo::throttled, "Answered by the other side with 429 or 503.");
    d.field("speed_percent", &LimitInfo::speed_percent, "Less than 100 while it recovers from such answers.");
    d.field("blocked_ms", &LimitInfo::blocked_ms, "How long it stands still because it was told to.");
    d.field("next_ms", &LimitInfo::next_ms, "When one that came now would pass, with nobody before it.");
  }
};

struct LimitsListRequest {
  std::string prefix;
  bool operator==(const LimitsListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LimitsListRequest", "Which limits.");
    d.field("prefix", &LimitsListRequest::prefix, "Only those whose key begins so.").max_length(200);
  }
};

struct LimitsListReply {
  std::vector<LimitInfo> limits;
  bool operator==(const LimitsListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LimitsListReply", "Limits, by key.");
    d.field("limits", &LimitsListReply::limits, "The limits.").required();
  }
};

struct LimitsSetRequest {
  std::string key;
  std::optional<std::string> rate;
  std::optional<std::uint32_t> burst;
  std::optional<std::chrono::milliseconds> guard_ms;
  std::optional<std::uint32_t> queue;
  bool unlimited = false;
  bool operator==(const LimitsSetRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LimitsSetRequest", "What a limit shall be; what is absent stays.");
    d.field("key", &LimitsSetRequest::key, "What is limited.").required().non_empty().max_length(200);
    d.field("rate", &LimitsSetRequest::rate, "How much in which time: `60/min`.").max_length(60);
    d.field("burst", &LimitsSetRequest::burst, "How much at once after a rest.").min(1).max(1'000'000);
    d.field("guard_ms", &LimitsSetRequest::guard_ms, "Jitter of the network to allow for.").max(60'000);
    d.field("queue", &LimitsSetRequest::queue, "Most callers that may wait.").max(1'000'000);
    d.field("unlimited", &LimitsSetRequest::unlimited, "No rate at all; not with `rate`.");
  }
};

struct LimitsResetRequest {
  std::string key;
  bool operator==(const LimitsResetRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LimitsResetRequest", "Which limit.");
    d.field("key", &LimitsResetRequest::key, "What is limited.").required().non_empty().max_length(200);
  }
};

enum class LimitChange : std::uint8_t { waiting, refused, throttled, recovered, changed };

template <class D>
void describe_enum(D& d, LimitChange*) {
  d.type("LimitChange", "What happened at a limit.");
  d.value("waiting", LimitChange::waiting, "Callers have begun to wait.");
  d.value("refused", LimitChange::refused, "Too many wait; callers are refused.");
  d.value("throttled", LimitChange::throttled, "The other side answered 429 or 503; it stands still and slows down.");
  d.value("recovered", LimitChange::recovered, "It is back at its full rate.");
  d.value("changed", LimitChange::changed, "It was set.");
  d.unknown(LimitChange::changed);
}

/// Data of `limits.changed`.
struct LimitEvent {
  std::string key;
  LimitChange change = LimitChange::changed;
  std::string message;
  std::optional<std::chrono::milliseconds> pause_ms;
  bool operator==(const LimitEvent&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LimitEvent", "Something happened at a limit. Waiting and refusals are told once a second.");
    d.field("key", &LimitEvent::key, "What is limited.").required();
    d.field("change", &LimitEvent::change, "What happened.").required();
    d.field("message", &LimitEvent::message, "The same as a sentence.").required();
    d.field("pause_ms", &LimitEvent::pause_ms, "How long it stands still.");
  }
};

inline constexpr Method<LimitsListRequest, LimitsListReply> kLimitsList{{
    .name = "limits.list",
    .doc = "Lists rate limits, who waits and how often each was met.",
}};
inline constexpr Method<LimitsSetRequest, LimitInfo> kLimitsSet{{
    .name = "limits.set",
    .doc = "Changes one limit, at once, for those who wait too, and after a restart. No other limit is touched.",
    .effect = Effect::changes,
}};
inline constexpr Method<LimitsResetRequest, LimitInfo> kLimitsReset{{
    .name = "limits.reset",
    .doc = "Takes back what was set; the configuration holds again.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "this limit was not set"}},
}};

inline constexpr EventType<LimitEvent> kLimitsChanged{
    {.name = "limits.changed", .doc = "Something happened at a rate limit."}};

std::span<const MethodInfo* const> limits_methods();
std::span<const EventInfo* const> limits_events();

}  // namespace swarm::api
