#pragma once

#include "agentd/forward/forward.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// Serves `forward.*` to the daemon; `forward` outlives the router.
void bind_forward(wire::Router& router, Forward& forward);

}  // namespace swarm::agentd
