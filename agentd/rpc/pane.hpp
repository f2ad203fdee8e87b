#pragma once

#include "agentd/panes/panes.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// Serves `pane.*` to the daemon. Both must outlive the router.
void bind_panes(wire::Router& router, panes::Panes& panes);

}  // namespace swarm::agentd
