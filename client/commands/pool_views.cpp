#include "client/commands/pool_views.hpp"

#include <fmt/format.h>

#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"

namespace swarm::client {

Style ready_style(const api::PoolInfo& pool) {
  if (pool.target == 0) return Style::plain;
  if (pool.ready >= pool.target) return Style::good;
  return pool.ready == 0 ? Style::bad : Style::warning;
}

Style breaker_style(api::BreakerState state) {
  switch (state) {
    case api::BreakerState::closed:
      return Style::plain;
    case api::BreakerState::open:
      return Style::bad;
    default:
      return Style::warning;
  }
}

std::string breaker_text(const api::PoolInfo& pool) {
  switch (pool.breaker) {
    case api::BreakerState::closed:
      return "closed";
    case api::BreakerState::half_open:
      return "trying";
    case api::BreakerState::open:
      return pool.retry_ms ? "open, " + human_duration(*pool.retry_ms) : "open";
    case api::BreakerState::unknown:
      break;
  }
  return "unknown";
}

Table pool_table(const std::vector<api::PoolInfo>& pools) {
  Table table({{"POOL", Align::left, Fit::shorten},
               {"PROVIDER", Align::left, Fit::shorten},
               {"READY", Align::right},
               {"MAKING", Align::right},
               {"WARM", Align::right},
               {"COLD", Align::right},
               {"DEAD", Align::right},
               {"MAKE TIME", Align::right},
               {"BREAKER"}});
  for (const api::PoolInfo& pool : pools) {
    table.add({one_line(pool.name) + (pool.draining ? " (drained)" : ""),
               one_line(pool.provider),
               {fmt::format("{}/{}", pool.ready, pool.target), ready_style(pool)},
               std::to_string(pool.being_made),
               human_count(pool.counters.warm_claims),
               human_count(pool.counters.cold_claims),
               human_count(pool.counters.found_dead),
               pool.creation_ms.count() == 0 ? std::string("-") : human_duration(pool.creation_ms),
               {breaker_text(pool), breaker_style(pool.breaker)}});
  }
  return table;
}

Table capacity_table(const std::vector<api::CapacityUse>& places) {
  Table table({{"PLACES", Align::left, Fit::shorten},
               {"TAKEN", Align::right},
               {"OF", Align::right},
               {"WAITING", Align::right}});
  for (const api::CapacityUse& place : places) {
    const bool full = place.limit && place.used >= *place.limit;
    table.add({one_line(place.name),
               {human_count(place.used), full ? Style::warning : Style::plain},
               place.limit ? human_count(*place.limit) : std::string("-"),
               {human_count(place.waiting), place.waiting > 0 ? Style::warning : Style::plain}});
  }
  return table;
}

std::string claims_text(const api::ClaimCounters& claims) {
  std::string text =
      fmt::format("Claims since the start: {} warm, {} cold", human_count(claims.warm), human_count(claims.cold));
  const auto add = [&text](std::uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format(", {} {}", human_count(count), what);
  };
  add(claims.waited, "waited");
  add(claims.refused, "refused");
  add(claims.expired, "gave up waiting");
  add(claims.failed, "failed");
  if (claims.idle_paused + claims.idle_killed > 0) {
    text +=
        fmt::format("; idle: {} paused, {} ended", human_count(claims.idle_paused), human_count(claims.idle_killed));
  }
  return text;
}

}  // namespace swarm::client
