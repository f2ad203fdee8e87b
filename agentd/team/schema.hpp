#pragma once

#include "protocol/store/migration.hpp"

namespace swarm::agentd {

/// Whose home the sandbox is, and which account each agent has. Behind the coordination's own tables.
extern const store::Domain kTeamDomain;

}  // namespace swarm::agentd
