#pragma once
// The methods of limits, costs, budgets and secrets, and what ties these services to events and configuration.

#include "daemon/costs/costs.hpp"
#include "daemon/limits/limiters.hpp"
#include "daemon/secrets/vault.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::rpc {

// Each service outlives the router.
void add_limits_methods(wire::Router& router, limits::Limiters& limiters);
void add_cost_methods(wire::Router& router, costs::Costs& costs);
void add_budget_methods(wire::Router& router, costs::Costs& costs);
void add_secret_methods(wire::Router& router, secrets::Vault& vault);

/// What a limiter told, as an event for the log.
[[nodiscard]] store::NewEvent limit_event(const limits::Notice& notice);

/// `[rate.NAME]`, what the providers' plans say, their own settings and what is built in, the first that fits holding.
[[nodiscard]] std::vector<limits::Rule> limit_rules(const config::Config& config,
                                                    const std::vector<limits::Rule>& plans = {});

}  // namespace swarm::rpc
