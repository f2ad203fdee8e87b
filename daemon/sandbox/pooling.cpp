// The service's side of its pools: who may be handed out to whom, and how one is made, asked and ended.
#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/core/id.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// An agentd that does not answer a ping within this is not handed out. Locally an answer takes 0.1 ms, in a microVM
// across the network some tens.
constexpr Duration kPingPatience = 500ms;

const log::Logger& logger() {
  static const log::Logger made("pool");
  return made;
}

}  // namespace

void Sandboxes::open_pools() {
  for (const auto& [name, settings] : with_.config.pools) {
    const std::vector<std::string>& order =
        settings.provider.empty() ? with_.config.sandbox.provider : settings.provider;
    const auto by = std::ranges::find_if(order, [&](const std::string& p) { return provider(p) != nullptr; });
    if (by == order.end()) {
      logger().warn("pool has no provider here", {{"pool", name}});
      continue;
    }
    PoolHost& host = *this;
    auto pool = std::make_unique<Pool>(with_.loop, host, name, settings, *by);
    for (const auto& [id, sandbox] : living_) {
      if (sandbox->record.hidden.pool == name && sandbox->state() == State::ready) {
        const Duration age = std::chrono::microseconds(with_.loop.clock().wall().us - sandbox->record.info.created_us);
        pool->adopt(id, with_.loop.clock().now() - age);
      }
    }
    pool->start();
    pools_.emplace(name, std::move(pool));
  }
}

Pool* Sandboxes::pool_for(const api::SandboxCreateRequest& request, const Record& planned) const {
  // What is made beforehand has the template's own limits and network; whoever wants others waits for a new one.
  if (!request.pooled || request.limits != api::SandboxLimits{} || request.network) return nullptr;
  for (const auto& [name, pool] : pools_) {
    if (pool->settings().template_name != planned.info.template_name) continue;
    if (request.provider && *request.provider != pool->provider()) continue;
    return pool.get();
  }
  return nullptr;
}

async::Task<Result<std::optional<std::string>>> Sandboxes::claim_pooled(api::SandboxCreateRequest request,
                                                                        std::optional<CallKey> key, Record planned) {
  Pool* pool = pool_for(request, planned);
  if (pool == nullptr) co_return std::optional<std::string>();
  for (;;) {
    const std::optional<std::string> id = co_await pool->take();
    if (!id) co_return std::optional<std::string>();
    const auto found = living_.find(*id);
    if (found == living_.end()) continue;
    const auto sandbox = found->second;
    // Two calls with one key at the same time: the first has its sandbox, and this one stays in the pool. Written by
    // the job, read when it has ended.
    const auto taken_before = std::make_shared<std::string>();
    const Result<State> claimed = co_await advance(
        sandbox, Event::claim, "",
        [&](Record& next) {
          next.info.from_pool = true;
          next.info.name = request.name;
          next.info.labels = request.labels;
          next.hidden.env = planned.hidden.env;
          next.hidden.lease_ms = planned.hidden.lease_ms;
          next.hidden.max_lifetime_ms = planned.hidden.max_lifetime_ms;
          next.info.lifetime_ends_us = planned.info.lifetime_ends_us;
        },
        [name = request.name, key, id = *id, taken_before](store::Changes& changes) -> Result<void> {
          if (name) {
            if (Result<void> free = check_name(changes.db(), *name); !free) return free;
          }
          if (!key) return {};
          const Result<std::string> answer = changes.answer_once(*key, [&]() -> Result<std::string> { return id; });
          if (!answer) return fail(answer.error());
          if (*answer == id) return {};
          *taken_before = *answer;
          return fail(Code::already_exists, fmt::format("this call was answered with sandbox {}", *answer));
        });
    if (!claimed) {
      if (sandbox->state() == State::ready) pool->adopt(*id, with_.loop.clock().now());
      if (!taken_before->empty()) co_return std::optional<std::string>(*taken_before);
      if (sandbox->state() != State::ready) continue;  // it ended in this very moment
      co_return fail(claimed.error());
    }
    if (*claimed != State::claimed) continue;
    sandbox->lifetime_until = planned.hidden.max_lifetime_ms.count() > 0
                                  ? with_.loop.clock().now() + Duration(planned.hidden.max_lifetime_ms)
                                  : MonoTime{};
    sandbox->lease_until = {};
    arm_lease(sandbox);
    co_return *id;
  }
}

async::Task<Result<std::string>> Sandboxes::make_pooled(std::string pool, std::string template_name,
                                                        std::string provider_name) {
  if (capacity_.waiting(provider_name) > 0) {
    co_return fail(Code::resource_exhausted, "every place is waited for");
  }
  Result<Record> planned = plan({.template_name = std::move(template_name), .provider = provider_name});
  if (!planned) co_return fail(planned.error());
  Result<Reservation> place =
      capacity_.try_acquire({.provider = provider_name, .template_name = planned->info.template_name});
  if (!place) co_return fail(place.error());
  planned->hidden.pool = std::move(pool);
  planned->info.from_pool = true;
  planned->hidden.max_lifetime_ms = {};  // counted from the claim
  planned->info.lifetime_ends_us.reset();
  const Result<void> written =
      co_await with_.store.write("pool.request", store::Durability::process,
                                 [record = *planned](store::Changes& changes) { return insert(changes.db(), record); });
  if (!written) co_return fail(written.error());

  const auto sandbox = adopt(std::move(*planned));
  sandbox->place = std::move(*place);
  tasks_.spawn(bring_up(sandbox));
  while (sandbox->state() != State::ready && !is_final(sandbox->state()) && sandbox->state() != State::lost) {
    co_await sandbox->changed.wait();
  }
  if (sandbox->state() == State::ready) co_return sandbox->id();
  co_return fail(sandbox->failure.value_or(
      Error{.code = Code::unavailable, .message = sandbox->record.info.reason.value_or("it ended at once")}));
}

async::Task<> Sandboxes::discard(std::string id, std::string reason) {
  const auto found = living_.find(id);
  if (found == living_.end()) co_return;
  const auto sandbox = found->second;
  // Only what nobody uses: the state says so, whatever the pool believes.
  if (sandbox->state() != State::ready) co_return;
  const Result<State> state = co_await advance(sandbox, Event::stop, std::move(reason));
  if (state && *state == State::stopping) co_await bring_down(sandbox);
}

async::Task<bool> Sandboxes::answers(std::string id) {
  const auto found = living_.find(id);
  if (found == living_.end() || found->second->link == nullptr) co_return false;
  const auto connection = found->second->link->current();
  if (connection == nullptr) co_return false;
  const auto pong = co_await wire::call_with_timeout(*connection, api::kRpcPing, {}, kPingPatience);
  co_return pong.has_value();
}

void Sandboxes::decided(std::string_view what, const std::string& pool, std::string detail) {
  logger().info(std::string(what), {{"pool", pool}, {"detail", detail}});
}

}  // namespace swarm::sandbox
