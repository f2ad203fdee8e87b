#include "protocol/authority/options.hpp"

#include "protocol/wire/msgpack.hpp"

namespace swarm::authority {
namespace {

/// A model may think for minutes without a call; who watches its program tells sooner when that has ended.
constexpr std::chrono::minutes kStaleAfter{15};

}  // namespace

coord::HostOptions host_options(std::int64_t epoch, std::int64_t messages_per_minute,
                                const api::TeamPatience& patience) {
  coord::HostOptions options;
  options.coordination.epoch = epoch;
  options.coordination.messages.rate = messages_per_minute;
  options.coordination.registry.stale_after = kStaleAfter;
  options.coordination.messages.reminders.assign(patience.reminders.begin(), patience.reminders.end());
  options.coordination.messages.escalate_after = patience.lead_ms;
  options.coordination.messages.human_after = patience.human_ms;
  options.encode = [](const Value& data) { return wire::encode(data); };
  return options;
}

}  // namespace swarm::authority
