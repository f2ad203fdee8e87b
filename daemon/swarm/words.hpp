#pragma once

#include "daemon/swarm/record.hpp"

namespace swarm::swarms {

/// "working": as it travels.
std::string state_name(api::SwarmState state);

/// There is none that is called so.
std::unexpected<Error> no_swarm(const std::string& what);

}  // namespace swarm::swarms
