#include "daemon/accounts.hpp"

#include "daemon/log/log.hpp"

namespace swarm {
Accounts::Accounts(Setup setup, const config::Config& config)
    : store_(setup.store),
      limiters_({.loop = setup.loop,
                 .store = &setup.store,
                 .rules = rpc::limit_rules(config),
                 .tell = [this](limits::Notice notice) { tasks_.spawn(tell(std::move(notice))); }}),
      costs_({.loop = setup.loop,
              .store = setup.store,
              .boot_id = std::move(setup.boot_id),
              .tick = config.costs.tick,
              .enforce = std::move(setup.enforce),
              .watching = std::move(setup.watching)}),
      vault_(setup.loop, setup.redactor, std::move(setup.secret_places), config.secrets,
             std::move(setup.from_environment)),
      tasks_(setup.loop) {}

std::array<store::Domain, 2> Accounts::domains() { return {limits::kLimitsDomain, costs::kCostDomain}; }

async::Task<Result<void>> Accounts::start(const config::Config& config) {
  Result<std::vector<costs::PriceTable>> tables = costs::price_tables(config.prices);
  if (!tables) co_return fail(tables.error());
  const Result<void> limited = co_await limiters_.recover();
  if (!limited) co_return fail(limited.error());
  Result<void> counted = co_await costs_.start(std::move(*tables));
  co_return counted;
}

async::Task<Result<void>> Accounts::stop() {
  Result<void> remembered = co_await limiters_.remember();
  co_return remembered;
}

void Accounts::reload(const config::Config& config) {
  limiters_.set_rules(rpc::limit_rules(config, plans_));
  costs_.set_tick(config.costs.tick);
  vault_.redeclare(config.secrets);
  Result<std::vector<costs::PriceTable>> tables = costs::price_tables(config.prices);
  if (!tables) {
    log::logger<"accounts">().error("prices were not taken over", {{"error", tables.error()}});
    return;
  }
  tasks_.spawn(take_prices(std::move(*tables)));
}

void Accounts::set_plans(std::vector<limits::Rule> plans, const config::Config& config) {
  plans_ = std::move(plans);
  limiters_.set_rules(rpc::limit_rules(config, plans_));
}

async::Task<> Accounts::take_prices(std::vector<costs::PriceTable> tables) {
  const Result<void> taken = co_await costs_.set_prices(std::move(tables));
  if (!taken) log::logger<"accounts">().error("prices were not taken over", {{"error", taken.error()}});
}

void Accounts::add_methods(wire::Router& router) {
  rpc::add_limits_methods(router, limiters_);
  rpc::add_cost_methods(router, costs_);
  rpc::add_budget_methods(router, costs_);
  rpc::add_secret_methods(router, vault_);
}

async::Task<> Accounts::tell(limits::Notice notice) {
  if (notice.kind == limits::Notice::Kind::throttled || notice.kind == limits::Notice::Kind::refused) {
    log::logger<"accounts">().warn(notice.message, {{"limit", notice.key}});
  }
  const Result<void> told =
      co_await store_.write("limits.event", store::Durability::process,
                            [event = rpc::limit_event(notice)](store::Changes& changes) -> Result<void> {
                              const auto seq = changes.append(event);
                              if (!seq) return fail(seq.error());
                              return {};
                            });
  if (!told) log::logger<"accounts">().warn("an event of a limit could not be recorded", {{"error", told.error()}});
}

}  // namespace swarm
