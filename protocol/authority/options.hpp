#pragma once
// How a swarm's coordination is set up, whoever is its authority.

#include "protocol/api/team.hpp"
#include "protocol/coord/host.hpp"

namespace swarm::authority {

/// Options of the host of a swarm in this epoch, with what its team was opened with.
coord::HostOptions host_options(std::int64_t epoch, std::int64_t messages_per_minute,
                                const api::TeamPatience& patience);

}  // namespace swarm::authority
