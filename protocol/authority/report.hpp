#pragma once

#include "protocol/api/relay.hpp"
#include "protocol/authority/desk.hpp"

namespace swarm::authority {

/// Takes down what an agentd saw of an agent's program, or says for it. `not_found` for an unknown agent.
async::Task<Result<api::Empty>> report(Desk& desk, api::RelayReportRequest what);

}  // namespace swarm::authority
