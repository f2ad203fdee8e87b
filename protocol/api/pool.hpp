#pragma once
// Pools: sandboxes that wait, ready to be handed out, and how many shall.

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class BreakerState : std::uint8_t { closed, half_open, open, unknown };

template <class D>
void describe_enum(D& d, BreakerState*) {
  d.type("BreakerState", "Whether a provider is asked for more.");
  d.value("closed", BreakerState::closed, "It is: creating works.");
  d.value("half_open", BreakerState::half_open, "One creation is under way to see whether it works again.");
  d.value("open", BreakerState::open, "It is left alone for a while after repeated failures.");
  d.value("unknown", BreakerState::unknown, "A state that this version has no name for.");
  d.unknown(BreakerState::unknown);
}

struct PoolCounters {
  std::uint64_t warm_claims = 0;
  std::uint64_t cold_claims = 0;
  std::uint64_t made = 0;
  std::uint64_t failed = 0;
  std::uint64_t found_dead = 0;
  std::uint64_t recycled = 0;
  bool operator==(const PoolCounters&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolCounters", "What a pool did since the daemon started.");
    d.field("warm_claims", &PoolCounters::warm_claims, "Handed out at once.");
    d.field("cold_claims", &PoolCounters::cold_claims, "Asked while none was ready, so one had to be made.");
    d.field("made", &PoolCounters::made, "Made for the pool.");
    d.field("failed", &PoolCounters::failed, "Creations for the pool that failed.");
    d.field("found_dead", &PoolCounters::found_dead, "Ended by themselves, or did not answer; never handed out.");
    d.field("recycled", &PoolCounters::recycled, "Ended because they were too old or no longer needed.");
  }
};

struct PoolInfo {
  std::string name;
  std::string template_name;
  std::string provider;
  std::uint64_t ready = 0;
  std::uint64_t being_made = 0;
  std::uint32_t target = 0;
  std::uint32_t min_ready = 0;
  std::uint32_t max_ready = 0;
  std::chrono::milliseconds max_idle_ms{0};
  std::chrono::milliseconds max_age_ms{0};
  bool draining = false;
  std::optional<std::uint32_t> warm;
  std::optional<std::chrono::milliseconds> warm_for_ms;
  double claims_per_second = 0;
  std::chrono::milliseconds creation_ms{0};
  BreakerState breaker = BreakerState::closed;
  std::optional<std::chrono::milliseconds> retry_ms;
  std::optional<std::string> last_failure;
  std::uint64_t waiting = 0;
  std::string why;
  std::string from;
  PoolCounters counters;
  bool operator==(const PoolInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolInfo", "A pool as it stands.");
    d.field("name", &PoolInfo::name, "Its name.").required();
    d.field("template", &PoolInfo::template_name, "What its sandboxes are made from.").required();
    d.field("provider", &PoolInfo::provider, "Who makes them.").required();
    d.field("ready", &PoolInfo::ready, "How many wait, ready.").required();
    d.field("being_made", &PoolInfo::being_made, "How many are being made.");
    d.field("target", &PoolInfo::target, "How many shall be ready now; `why` says how it comes about.").required();
    d.field("min_ready", &PoolInfo::min_ready, "At least so many, whatever the demand.");
    d.field("max_ready", &PoolInfo::max_ready, "At most so many, whatever the demand.");
    d.field("max_idle_ms", &PoolInfo::max_idle_ms, "More than the target are given up after so long.");
    d.field("max_age_ms", &PoolInfo::max_age_ms, "One that waited so long is replaced.");
    d.field("draining", &PoolInfo::draining, "It was drained and is not filled.");
    d.field("warm", &PoolInfo::warm, "How many were asked for with `pool.warm`, while that holds.");
    d.field("warm_for_ms", &PoolInfo::warm_for_ms, "How long that still holds.");
    d.field("claims_per_second", &PoolInfo::claims_per_second, "Claims lately, weighted with a half-life of a minute.");
    d.field("creation_ms", &PoolInfo::creation_ms, "How long one takes to make, lately; 0 before the first.");
    d.field("breaker", &PoolInfo::breaker, "Whether its provider is asked for more.").required();
    d.field("retry_ms", &PoolInfo::retry_ms, "When it is tried again, while the breaker is open.");
    d.field("last_failure", &PoolInfo::last_failure, "Why the last creation for the pool failed.");
    d.field("waiting", &PoolInfo::waiting, "Callers in line for a place at this provider; the pool takes none then.");
    d.field("why", &PoolInfo::why, "Why the target is what it is, and why it is not met, as a sentence.").required();
    d.field("from", &PoolInfo::from, "Where its settings come from: `configuration`, `set`.");
    d.field("counters", &PoolInfo::counters, "What it did since the daemon started.").required();
  }
};

struct ClaimCounters {
  std::uint64_t warm = 0;
  std::uint64_t cold = 0;
  std::uint64_t waited = 0;
  std::uint64_t refused = 0;
  std::uint64_t expired = 0;
  std::uint64_t failed = 0;
  std::uint64_t idle_paused = 0;
  std::uint64_t idle_killed = 0;
  bool operator==(const ClaimCounters&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ClaimCounters", "How requests for sandboxes were met since the daemon started.");
    d.field("warm", &ClaimCounters::warm, "Handed out from a pool.");
    d.field("cold", &ClaimCounters::cold, "Made for the caller.");
    d.field("waited", &ClaimCounters::waited, "Of these, how many waited in line for a place.");
    d.field("refused", &ClaimCounters::refused, "Refused at once because there was no place.");
    d.field("expired", &ClaimCounters::expired, "Given up after waiting in line.");
    d.field("failed", &ClaimCounters::failed, "The provider said no, or nothing answered in what it made.");
    d.field("idle_paused", &ClaimCounters::idle_paused, "Sandboxes paused because nobody used them.");
    d.field("idle_killed", &ClaimCounters::idle_killed, "Sandboxes ended because nobody used them.");
  }
};

struct CapacityUse {
  std::string name;
  std::uint64_t used = 0;
  std::optional<std::uint64_t> limit;
  std::uint64_t waiting = 0;
  bool operator==(const CapacityUse&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CapacityUse", "Places for sandboxes.");
    d.field("name", &CapacityUse::name, "Of which provider; `all` for all together.").required();
    d.field("used", &CapacityUse::used, "Places taken: every sandbox that exists or may exist.").required();
    d.field("limit", &CapacityUse::limit, "How many there are; absent: no limit of its own.");
    d.field("waiting", &CapacityUse::waiting, "Callers in line for one.");
  }
};

struct PoolStatusRequest {
  std::optional<std::string> pool;
  bool operator==(const PoolStatusRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolStatusRequest", "Which pools.");
    d.field("pool", &PoolStatusRequest::pool, "Only this one.").non_empty().max_length(100);
  }
};

struct PoolStatusReply {
  std::vector<PoolInfo> pools;
  std::vector<CapacityUse> capacity;
  ClaimCounters claims;
  bool operator==(const PoolStatusReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolStatusReply", "Pools, places and claims.");
    d.field("pools", &PoolStatusReply::pools, "The pools, by name.").required();
    d.field("capacity", &PoolStatusReply::capacity, "Places: of all together, then of each provider.").required();
    d.field("claims", &PoolStatusReply::claims, "How requests for sandboxes were met.").required();
  }
};

struct PoolSetRequest {
  std::string pool;
  std::optional<std::string> template_name;
  std::optional<std::string> provider;
  std::optional<std::uint32_t> min_ready;
  std::optional<std::uint32_t> max_ready;
  std::optional<std::chrono::milliseconds> max_idle_ms;
  std::optional<std::chrono::milliseconds> max_age_ms;
  bool reset = false;
  bool operator==(const PoolSetRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolSetRequest", "What a pool shall be; what is absent stays.");
    d.field("pool", &PoolSetRequest::pool, "Its name. A new one is opened where `template` is given.")
        .required()
        .non_empty()
        .max_length(100);
    d.field("template", &PoolSetRequest::template_name, "What a new pool's sandboxes are made from.")
        .non_empty()
        .max_length(100);
    d.field("provider", &PoolSetRequest::provider, "Who makes those of a new pool; else as the template says.")
        .non_empty()
        .max_length(100);
    d.field("min_ready", &PoolSetRequest::min_ready, "At least so many are ready.").max(10'000);
    d.field("max_ready", &PoolSetRequest::max_ready, "At most so many are kept ready.").max(10'000);
    d.field("max_idle_ms", &PoolSetRequest::max_idle_ms, "More than the target are given up after so long.").min(1000);
    d.field("max_age_ms", &PoolSetRequest::max_age_ms, "One that waited so long is replaced.").min(10'000);
    d.field("reset", &PoolSetRequest::reset, "Take back what was set; the configuration holds again.");
  }
};

struct PoolDrainRequest {
  std::string pool;
  bool operator==(const PoolDrainRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolDrainRequest", "Which pool.");
    d.field("pool", &PoolDrainRequest::pool, "Its name.").required().non_empty().max_length(100);
  }
};

struct PoolDrainReply {
  std::uint64_t ended = 0;
  PoolInfo pool;
  bool operator==(const PoolDrainReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolDrainReply", "A drained pool.");
    d.field("ended", &PoolDrainReply::ended, "How many sandboxes were ended.").required();
    d.field("pool", &PoolDrainReply::pool, "The pool as it stands.").required();
  }
};

struct PoolWarmRequest {
  std::string pool;
  std::optional<std::uint32_t> count;
  bool wait = false;
  bool operator==(const PoolWarmRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolWarmRequest", "How many shall be ready soon.");
    d.field("pool", &PoolWarmRequest::pool, "The pool.").required().non_empty().max_length(100);
    d.field("count", &PoolWarmRequest::count, "So many, at most `max_ready`; else `max_ready`.").max(10'000);
    d.field("wait", &PoolWarmRequest::wait, "Answer when they are ready, or when creating fails.");
  }
};

/// Data of `pool.claimed`.
struct PoolClaimed {
  std::string pool;
  bool warm = false;
  std::string reason;
  bool operator==(const PoolClaimed&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolClaimed", "A sandbox was asked of a pool.");
    d.field("pool", &PoolClaimed::pool, "Which.").required();
    d.field("warm", &PoolClaimed::warm, "One that waited was handed out; else one is made.").required();
    d.field("reason", &PoolClaimed::reason, "Why, as a sentence.").required();
  }
};

/// Data of `pool.breaker`.
struct PoolBreaker {
  std::string pool;
  std::string provider;
  BreakerState state = BreakerState::unknown;
  std::string message;
  bool operator==(const PoolBreaker&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolBreaker", "A pool's provider is left alone, or asked again.");
    d.field("pool", &PoolBreaker::pool, "Which pool.").required();
    d.field("provider", &PoolBreaker::provider, "Which provider.").required();
    d.field("state", &PoolBreaker::state, "The breaker now.").required();
    d.field("message", &PoolBreaker::message, "Why, as a sentence.").required();
  }
};

/// Data of `pool.dead`.
struct PoolDead {
  std::string pool;
  std::string message;
  bool operator==(const PoolDead&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolDead", "A pooled sandbox was found dead, and is not handed out.");
    d.field("pool", &PoolDead::pool, "Which pool.").required();
    d.field("message", &PoolDead::message, "How it was found.").required();
  }
};

/// Data of `pool.changed`.
struct PoolChanged {
  std::string pool;
  std::string message;
  bool operator==(const PoolChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PoolChanged", "A pool was set, drained or warmed.");
    d.field("pool", &PoolChanged::pool, "Which.").required();
    d.field("message", &PoolChanged::message, "What was changed, as a sentence.").required();
  }
};

/// Data of `capacity.waiting` and `capacity.refused`.
struct CapacityShort {
  std::string provider;
  std::string message;
  std::uint64_t waiting = 0;
  std::uint64_t refused = 0;
  bool operator==(const CapacityShort&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CapacityShort", "There was no place for a sandbox.");
    d.field("provider", &CapacityShort::provider, "At which provider.").required();
    d.field("message", &CapacityShort::message, "What is scarce, as a sentence.").required();
    d.field("waiting", &CapacityShort::waiting, "Callers in line now.");
    d.field("refused", &CapacityShort::refused, "Callers refused since the event before.");
  }
};

inline constexpr Method<PoolStatusRequest, PoolStatusReply> kPoolStatus{{
    .name = "pool.status",
    .doc = "Says of each pool how many are ready, how many shall be and why; and of places and claims.",
    .errors = {{Code::not_found, "no such pool"}},
}};
inline constexpr Method<PoolSetRequest, PoolInfo> kPoolSet{{
    .name = "pool.set",
    .doc = "Changes a pool, or opens one, at once and also after a restart.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such pool, template or provider"},
               {Code::already_exists, "another pool keeps this template ready"}},
}};
inline constexpr Method<PoolDrainRequest, PoolDrainReply> kPoolDrain{{
    .name = "pool.drain",
    .doc = "Ends what is ready and stops filling until `pool.set` or `pool.warm`. What is claimed goes on.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such pool"}},
}};
inline constexpr Method<PoolWarmRequest, PoolInfo> kPoolWarm{{
    .name = "pool.warm",
    .doc = "Fills a pool now, whatever demand says; they are kept for `max_idle`.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such pool"}, {Code::unavailable, "creating fails, with `wait`"}},
}};

inline constexpr EventType<PoolClaimed> kPoolClaimed{
    {.name = "pool.claimed", .doc = "A sandbox was asked of a pool: handed out at once (warm) or made (cold)."}};
inline constexpr EventType<PoolBreaker> kPoolBreaker{
    {.name = "pool.breaker", .doc = "A provider that keeps failing is left alone, tried, or asked again."}};
inline constexpr EventType<PoolDead> kPoolDead{
    {.name = "pool.dead", .doc = "A pooled sandbox was found dead, and is not handed out."}};
inline constexpr EventType<PoolChanged> kPoolChanged{
    {.name = "pool.changed", .doc = "A pool was set, drained or warmed."}};
inline constexpr EventType<CapacityShort> kCapacityWaiting{
    {.name = "capacity.waiting", .doc = "A caller waits in line for a place."}};
inline constexpr EventType<CapacityShort> kCapacityRefused{
    {.name = "capacity.refused", .doc = "Callers were refused because there was no place; told once a second."}};

std::span<const MethodInfo* const> pool_methods();
std::span<const EventInfo* const> pool_events();

}  // namespace swarm::api
