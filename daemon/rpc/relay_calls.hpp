#pragma once

#include "daemon/team/authorities.hpp"
#include "daemon/team/homes.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::rpc {

/// What sandboxes of swarms that span several ask of the daemon. Everything outlives the router.
void add_relay_methods(wire::Router& tunnel, const team::Homes& homes, team::Authorities& authorities);

}  // namespace swarm::rpc
