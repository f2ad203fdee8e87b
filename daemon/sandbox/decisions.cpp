// What was decided about a request, as events and counters: the log says why somebody got a sandbox at once, waited, or
// got none.
#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// Refusals come as fast as somebody asks. The log hears of them this often, with their number.
constexpr Duration kRefusalsToldEvery = 1s;

template <class Data>
store::NewEvent event_of(const api::EventType<Data>& type, const Data& data, std::optional<std::string> sandbox = {}) {
  return {.type = std::string(type.name), .sandbox = std::move(sandbox), .data = wire::encode(api::encode(data))};
}

}  // namespace

std::vector<store::NewEvent> Sandboxes::decisions_on(const Record& planned, const Pool* pool,
                                                     const Result<Reservation>& place) const {
  std::vector<store::NewEvent> decisions;
  if (pool != nullptr) {
    decisions.push_back(
        event_of(api::kPoolClaimed,
                 {.pool = pool->name(),
                  .warm = false,
                  .reason = fmt::format("none was ready, {} are being made. {}", pool->being_made(), pool->why())},
                 planned.info.id));
  }
  if (!place) {
    decisions.push_back(event_of(api::kCapacityWaiting,
                                 {.provider = planned.info.provider,
                                  .message = place.error().message,
                                  .waiting = capacity_.waiting(planned.info.provider) + 1},
                                 planned.info.id));
  }
  return decisions;
}

void Sandboxes::refused(const std::string& provider, const Error& why) {
  ++claims_.refused;
  if (untold_refusals_[provider]++ == 0) tasks_.spawn(tell_refusals(provider, why.message));
}

async::Task<> Sandboxes::tell_refusals(std::string provider, std::string message) {
  co_await async::sleep_for(with_.loop, kRefusalsToldEvery);
  const std::uint64_t count = std::exchange(untold_refusals_[provider], 0);
  co_await tell(event_of(
      api::kCapacityRefused,
      {.provider = provider, .message = std::move(message), .waiting = capacity_.waiting(provider), .refused = count}));
}

void Sandboxes::count_failure(const Sandbox& sandbox) {
  if (!sandbox.record.hidden.pool.empty()) return;  // the pool counts its own
  const bool waited_in_vain = sandbox.failure && sandbox.failure->code == Code::deadline_exceeded;
  ++(waited_in_vain ? claims_.expired : claims_.failed);
}

void Sandboxes::breaker_changed(const Pool& pool, std::string message) {
  const api::BreakerState state = static_cast<api::BreakerState>(pool.breaker().state());
  log::logger<"pool">().warn("breaker of a pool has changed", {{"pool", pool.name()}, {"why", message}});
  tasks_.spawn(tell(
      event_of(api::kPoolBreaker,
               {.pool = pool.name(), .provider = pool.provider(), .state = state, .message = std::move(message)})));
}

void Sandboxes::found_dead(const Pool& pool, const std::string& id, std::string message) {
  log::logger<"pool">().info("a pooled sandbox is dead", {{"pool", pool.name()}, {"sandbox", id}, {"why", message}});
  tasks_.spawn(tell(event_of(api::kPoolDead, {.pool = pool.name(), .message = std::move(message)}, id)));
}

async::Task<> Sandboxes::tell(store::NewEvent event) {
  const Result<void> written = co_await with_.store.write("sandbox.tell", store::Durability::process,
                                                          [event](store::Changes& changes) -> Result<void> {
                                                            const auto seq = changes.append(event);
                                                            if (!seq) return fail(seq.error());
                                                            return {};
                                                          });
  if (!written)
    log::logger<"pool">().warn("an event could not be recorded", {{"type", event.type}, {"error", written.error()}});
}

}  // namespace swarm::sandbox
