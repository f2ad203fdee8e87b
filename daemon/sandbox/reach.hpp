#pragma once

#include "daemon/sandbox/sandboxes.hpp"

namespace swarm::sandbox {

/// The connection to a sandbox's agentd, once there is one. `unavailable` after `patience`, and as soon as its link is
/// given up because it ends: nothing of the link is touched while this waits.
async::Task<Result<std::shared_ptr<wire::Connection>>> reach(async::Loop& loop, std::shared_ptr<Sandbox> sandbox,
                                                             Duration patience);

}  // namespace swarm::sandbox
