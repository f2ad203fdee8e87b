#pragma once

#include "protocol/wire/router.hpp"

namespace swarm::swarms {
class Swarms;
}

namespace swarm::rpc {

/// Serves `swarm.*`; `swarms` outlives the router's connections.
void add_swarm_methods(wire::Router& router, swarms::Swarms& swarms);

}  // namespace swarm::rpc
