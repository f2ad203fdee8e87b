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

}  // namespace

Pool* Sandboxes::open_pool(const std::string& name, const config::Pool& settings) {
  const auto of_template = with_.config.templates.find(settings.template_name);
  const std::vector<std::string>& by_template =
      of_template == with_.config.templates.end() || of_template->second.provider.empty()
          ? with_.config.sandbox.provider
          : of_template->second.provider;
  const std::vector<std::string>& order = settings.provider.empty() ? by_template : settings.provider;
  const auto by = std::ranges::find_if(order, [&](const std::string& p) { return provider(p) != nullptr; });
  if (by == order.end()) {
    log::logger<"pool">().warn("pool has no provider here", {{"pool", name}});
    return nullptr;
  }
  PoolHost& host = *this;
  Pool* pool = pools_.emplace(name, std::make_unique<Pool>(with_.loop, host, name, settings, *by)).first->second.get();
  if (const auto set = pool_settings_.find(name); set != pool_settings_.end() && set->second.draining) {
    pool->stay_drained();
  }
  pool->start();
  return pool;
}

Result<void> Sandboxes::open_pools() {
  Result<std::map<std::string, PoolSetting>> set = load_pool_settings(with_.store.reader());
  if (!set) return fail(set.error(), "take up pools");
  pool_settings_ = std::move(*set);
  for (const auto& [name, setting] : pool_settings_) open_pool(name, setting.pool);
  for (const auto& [name, settings] : with_.config.pools) {
    if (!pool_settings_.contains(name)) open_pool(name, settings);
  }
  for (const auto& [id, sandbox] : living_) {
    if (sandbox->state() == State::ready) {
      pooled_ready(*sandbox);
    } else if (const auto pool = pools_.find(sandbox->record.hidden.pool);
               pool != pools_.end() && is_coming(sandbox->state())) {
      pool->second->expect(id);
    }
  }
  return {};
}

void Sandboxes::pooled_ready(const Sandbox& sandbox) {
  const std::string& name = sandbox.record.hidden.pool;
  if (name.empty()) return;
  if (const auto pool = pools_.find(name); pool != pools_.end()) {
    const Duration age = std::chrono::microseconds(with_.loop.clock().wall().us - sandbox.record.info.created_us);
    pool->second->adopt(sandbox.id(), with_.loop.clock().now() - age);
  } else {
    tasks_.spawn(discard(sandbox.id(), "its pool is no longer kept"));  // it would wait for ever
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
          next.info.swarm = request.swarm;
          next.info.labels = request.labels;
          next.hidden.env = planned.hidden.env;
          next.hidden.lease_ms = planned.hidden.lease_ms;
          next.info.idle_pause_ms = planned.info.idle_pause_ms;
          next.info.idle_kill_ms = planned.info.idle_kill_ms;
          next.hidden.max_lifetime_ms = planned.hidden.max_lifetime_ms;
          next.info.lifetime_ends_us = planned.info.lifetime_ends_us;
        },
        [name = request.name, key, id = *id, taken_before,
         told = api::PoolClaimed{.pool = pool->name(),
                                 .warm = true,
                                 .reason = fmt::format("it waited; {} more are ready", pool->ready())}](
            store::Changes& changes) -> Result<void> {
          const auto seq = changes.append(
              {.type = std::string(api::kPoolClaimed.name), .sandbox = id, .data = wire::encode(api::encode(told))});
          if (!seq) return fail(seq.error());
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
    ++claims_.warm;
    pool->expect_another();
    co_return *id;
  }
}

async::Task<Result<std::string>> Sandboxes::make_pooled(std::string pool, std::string template_name,
                                                        std::string provider_name) {
  if (capacity_.waiting(provider_name) > 0) {
    co_return fail(Code::resource_exhausted, "every place is waited for");
  }
  if (with_.steward != nullptr) {
    if (Result<void> may = with_.steward->admit(""); !may) co_return fail(may.error());
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
  sandbox->refill = true;
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

}  // namespace swarm::sandbox
