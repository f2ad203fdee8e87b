#pragma once

#include "daemon/rpc/scoped.hpp"

namespace swarm::artifacts {
class Artifacts;
}
namespace swarm::swarms {
class Swarms;
}
namespace swarm::workflow {
class Engine;
}

namespace swarm::rpc {

/// Serves `artifact.*` on both faces. All outlive the routers' connections.
void add_artifact_methods(Routers routers, const team::Homes& homes, swarms::Swarms& swarms, workflow::Engine& engine,
                          artifacts::Artifacts& artifacts);

}  // namespace swarm::rpc
