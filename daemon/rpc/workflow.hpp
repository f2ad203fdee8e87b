#pragma once

#include "daemon/rpc/scoped.hpp"

namespace swarm::workflow {
class Engine;
}

namespace swarm::rpc {

/// Serves runs, workflows, tasks, reviews, proposals and questions; all outlive the routers' connections.
void add_workflow_methods(Routers routers, const team::Homes& homes, workflow::Engine& engine);

}  // namespace swarm::rpc
