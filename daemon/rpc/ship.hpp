#pragma once

#include "protocol/wire/router.hpp"

namespace swarm::ship {
class Shipping;
}

namespace swarm::rpc {

/// Serves `swarm.ship`, `swarm.decide` and `swarm.shipments`; `shipping` outlives the router's connections.
void add_ship_methods(wire::Router& router, ship::Shipping& shipping);

}  // namespace swarm::rpc
