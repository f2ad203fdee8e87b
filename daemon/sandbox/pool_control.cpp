// What people do with pools: look, set, drain, warm.
#include <fmt/format.h>

#include "daemon/config/schema.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::sandbox {
namespace {

std::chrono::milliseconds ceil_ms(Duration d) { return std::chrono::ceil<std::chrono::milliseconds>(d); }

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, ignored] : map) names.push_back(name);
  return names;
}

std::string described(const config::Pool& pool) {
  return fmt::format("{} to {} of template '{}' are kept ready", pool.min_ready, pool.max_ready, pool.template_name);
}

}  // namespace

Result<Pool*> Sandboxes::find_pool(const std::string& name) const {
  if (const auto found = pools_.find(name); found != pools_.end()) return found->second.get();
  return fail(Code::not_found, fmt::format("there is no pool '{}'{}; 'swarmctl pool status' lists them, and 'swarmctl "
                                           "pool set {} --template NAME' opens one",
                                           name, did_you_mean(name, names_of(pools_)), name));
}

api::PoolInfo Sandboxes::pool_info(const Pool& pool) const {
  const config::Pool& settings = pool.settings();
  const Breaker& breaker = pool.breaker();
  const PoolCounters& counters = pool.counters();
  api::PoolInfo info{
      .name = pool.name(),
      .template_name = settings.template_name,
      .provider = pool.provider(),
      .ready = pool.ready(),
      .being_made = pool.being_made(),
      .target = pool.target(),
      .min_ready = settings.min_ready,
      .max_ready = settings.max_ready,
      .max_idle_ms = ceil_ms(settings.max_idle),
      .max_age_ms = ceil_ms(settings.max_age),
      .draining = pool.draining(),
      .warm = pool.warm_target(),
      .claims_per_second = pool.demand().rate(),
      .creation_ms = ceil_ms(pool.demand().creation_time()),
      .breaker = static_cast<api::BreakerState>(breaker.state()),
      .waiting = capacity_.waiting(pool.provider()),
      .why = pool.why(),
      .from = pool_settings_.contains(pool.name()) ? "set" : "configuration",
      .counters = {.warm_claims = counters.warm_claims,
                   .cold_claims = counters.cold_claims,
                   .made = counters.made,
                   .failed = counters.failed,
                   .found_dead = counters.found_dead,
                   .recycled = counters.recycled},
  };
  if (info.warm) info.warm_for_ms = ceil_ms(pool.warm_for());
  if (breaker.state() == Breaker::State::open) {
    info.retry_ms = ceil_ms(std::max<Duration>(breaker.retry_at() - with_.loop.clock().now(), Duration{0}));
  }
  if (!pool.last_failure().empty()) info.last_failure = pool.last_failure();
  if (info.waiting > 0 && info.ready < info.target) {
    info.why += fmt::format(" {} wait for a place, and the pool takes none before them.", info.waiting);
  }
  const auto limit = capacity_.limits().providers.find(pool.provider());
  if (limit != capacity_.limits().providers.end() && capacity_.used(pool.provider()) >= limit->second &&
      info.ready < info.target) {
    info.why += fmt::format(" All {} places of provider '{}' are taken.", limit->second, pool.provider());
  }
  return info;
}

Result<api::PoolStatusReply> Sandboxes::pool_status(const std::optional<std::string>& pool) const {
  api::PoolStatusReply reply{.claims = claims_};
  if (pool) {
    const Result<Pool*> found = find_pool(*pool);
    if (!found) return fail(found.error());
    reply.pools.push_back(pool_info(**found));
  } else {
    for (const auto& [name, each] : pools_) reply.pools.push_back(pool_info(*each));
  }
  reply.capacity.push_back(
      {.name = "all", .used = capacity_.used(), .limit = capacity_.limits().total, .waiting = capacity_.waiting()});
  for (const providers::Provider* each : with_.providers) {
    const auto limit = capacity_.limits().providers.find(each->name());
    reply.capacity.push_back(
        {.name = each->name(),
         .used = capacity_.used(each->name()),
         .limit = limit == capacity_.limits().providers.end() ? std::nullopt : std::optional(limit->second),
         .waiting = capacity_.waiting(each->name())});
  }
  return reply;
}

Result<config::Pool> Sandboxes::wanted_pool(const api::PoolSetRequest& request) const {
  config::Pool wanted;
  if (const auto known = pools_.find(request.pool); known != pools_.end()) {
    wanted = known->second->settings();
    if (request.template_name && *request.template_name != wanted.template_name) {
      return fail(Code::invalid_argument,
                  fmt::format("'template': pool '{}' keeps '{}' ready; open another pool for '{}'", request.pool,
                              wanted.template_name, *request.template_name));
    }
    if (request.provider && *request.provider != known->second->provider()) {
      return fail(Code::invalid_argument, fmt::format("'provider': pool '{}' is made by '{}'; open another pool",
                                                      request.pool, known->second->provider()));
    }
  } else {
    if (!request.template_name) {
      const Result<Pool*> none = find_pool(request.pool);
      return fail(none.error());
    }
    if (!config::is_instance_name(request.pool)) {
      return fail(Code::invalid_argument,
                  fmt::format("'pool': a name of a-z, 0-9, _ and - is needed, not '{}'", request.pool));
    }
    wanted.template_name = *request.template_name;
    if (request.provider) wanted.provider = {*request.provider};
    for (const auto& [name, other] : pools_) {
      if (other->settings().template_name == wanted.template_name &&
          (!request.provider || other->provider() == *request.provider)) {
        return fail(Code::already_exists, fmt::format("pool '{}' keeps template '{}' ready already; set that one", name,
                                                      wanted.template_name));
      }
    }
    wanted.max_ready = std::max(wanted.max_ready, request.min_ready.value_or(0));
  }
  if (request.min_ready) wanted.min_ready = *request.min_ready;
  if (request.max_ready) wanted.max_ready = *request.max_ready;
  if (request.max_idle_ms) wanted.max_idle = *request.max_idle_ms;
  if (request.max_age_ms) wanted.max_age = *request.max_age_ms;
  if (wanted.min_ready > wanted.max_ready) {
    return fail(Code::invalid_argument, fmt::format("'min_ready' ({}) is above 'max_ready' ({}); set both",
                                                    wanted.min_ready, wanted.max_ready));
  }
  return wanted;
}

async::Task<Result<void>> Sandboxes::remember_pool(std::string name, std::optional<PoolSetting> setting,
                                                   std::string told) {
  const std::string data = wire::encode(api::encode(api::PoolChanged{.pool = name, .message = std::move(told)}));
  const Result<void> written = co_await with_.store.write(
      "pool.set", store::Durability::process, [name, setting, data](store::Changes& changes) -> Result<void> {
        Result<void> saved =
            setting ? save_pool_setting(changes.db(), name, *setting) : forget_pool_setting(changes.db(), name);
        if (!saved) return saved;
        const auto seq = changes.append({.type = std::string(api::kPoolChanged.name), .data = data});
        if (!seq) return fail(seq.error());
        return {};
      });
  if (!written) co_return fail(written.error(), "pool " + name);
  if (setting) {
    pool_settings_[name] = std::move(*setting);
  } else {
    pool_settings_.erase(name);
  }
  co_return {};
}

async::Task<Result<api::PoolInfo>> Sandboxes::set_pool(api::PoolSetRequest request) {
  if (request.reset) {
    const Result<Pool*> known = find_pool(request.pool);
    if (!known) co_return fail(known.error());
    const Result<void> forgotten =
        co_await remember_pool(request.pool, std::nullopt, "what was set is taken back; the configuration holds");
    if (!forgotten) co_return fail(forgotten.error());
    // What is in no configuration ends with what was set.
    const auto configured = with_.config.pools.find(request.pool);
    (*known)->set(configured == with_.config.pools.end()
                      ? config::Pool{.template_name = (*known)->settings().template_name, .max_ready = 0}
                      : configured->second);
    co_return pool_info(**known);
  }
  Result<config::Pool> wanted = wanted_pool(request);
  if (!wanted) co_return fail(wanted.error());
  const auto known = pools_.find(request.pool);
  if (known == pools_.end()) {
    // Planned as any sandbox is, so that a template or provider that does not exist is told in the same words.
    const Result<Record> possible = plan({.template_name = wanted->template_name, .provider = request.provider});
    if (!possible) co_return fail(possible.error());
  }
  const Result<void> remembered =
      co_await remember_pool(request.pool, PoolSetting{.pool = *wanted}, described(*wanted));
  if (!remembered) co_return fail(remembered.error());
  Pool* pool = nullptr;
  if (const auto still = pools_.find(request.pool); still != pools_.end()) {
    pool = still->second.get();
    pool->set(std::move(*wanted));
  } else {
    pool = open_pool(request.pool, *wanted);
  }
  if (pool == nullptr) co_return fail(Code::not_found, "no provider of this template is enabled here");
  co_return pool_info(*pool);
}

async::Task<Result<api::PoolDrainReply>> Sandboxes::drain_pool(std::string name) {
  const Result<Pool*> pool = find_pool(name);
  if (!pool) co_return fail(pool.error());
  const Result<void> remembered = co_await remember_pool(
      name, PoolSetting{.pool = (*pool)->settings(), .draining = true}, "it is drained, and not filled");
  if (!remembered) co_return fail(remembered.error());
  const std::size_t ended = co_await (*pool)->drain();
  co_return api::PoolDrainReply{.ended = ended, .pool = pool_info(**pool)};
}

async::Task<Result<api::PoolInfo>> Sandboxes::warm_pool(api::PoolWarmRequest request) {
  const Result<Pool*> found = find_pool(request.pool);
  if (!found) co_return fail(found.error());
  Pool& pool = **found;
  const std::uint32_t most = pool.settings().max_ready;
  const std::uint32_t count = request.count.value_or(most);
  if (count > most) {
    co_return fail(Code::out_of_range, fmt::format("'count' ({}) is above the pool's 'max_ready' ({}); 'swarmctl pool "
                                                   "set {} --max {}' allows more",
                                                   count, most, request.pool, count));
  }
  if (const auto set = pool_settings_.find(request.pool); set != pool_settings_.end() && set->second.draining) {
    const Result<void> remembered = co_await remember_pool(request.pool, PoolSetting{.pool = pool.settings()},
                                                           fmt::format("it is filled again, up to {}", count));
    if (!remembered) co_return fail(remembered.error());
  }
  const std::uint64_t failed_before = pool.counters().failed;
  pool.warm(count);
  while (request.wait && pool.ready() < count && !pool.draining()) {
    if (pool.counters().failed > failed_before) {
      co_return fail(Code::unavailable, fmt::format("{} of {} are ready; creating more failed: {}", pool.ready(), count,
                                                    pool.last_failure()));
    }
    co_await pool.changed().wait();
  }
  co_return pool_info(pool);
}

void Sandboxes::reload_pools() {
  for (const auto& [name, settings] : with_.config.pools) {
    if (pool_settings_.contains(name)) continue;
    if (const auto known = pools_.find(name); known != pools_.end()) {
      const bool drained = known->second->draining();
      known->second->set(settings);
      if (drained) known->second->stay_drained();
    } else {
      open_pool(name, settings);
    }
  }
  for (const auto& [name, pool] : pools_) {
    if (!with_.config.pools.contains(name) && !pool_settings_.contains(name)) tasks_.spawn(empty_pool(name));
  }
}

async::Task<> Sandboxes::empty_pool(std::string name) {
  const auto pool = pools_.find(name);
  if (pool == pools_.end()) co_return;
  const std::size_t ended = co_await pool->second->drain();
  static_cast<void>(ended);
}

}  // namespace swarm::sandbox
