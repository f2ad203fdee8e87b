#pragma once

#include "daemon/costs/costs.hpp"
#include "daemon/rpc/services.hpp"

namespace swarm::rpc {

/// `daemon.health` and `daemon.doctor`.
void add_health_methods(wire::Router& router, Services& services, costs::Costs& costs);

}  // namespace swarm::rpc
