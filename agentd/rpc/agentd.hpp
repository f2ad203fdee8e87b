#pragma once

#include <functional>

#include "agentd/exec/execs.hpp"
#include "agentd/exec/users.hpp"
#include "agentd/team/team.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/api/inner.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// What the methods about agentd itself work with; outlives the router.
struct AgentdService {
  const Clock& clock;
  Execs& execs;
  const Users& users;
  std::string sandbox;        ///< its id
  api::AgentdInfoReply info;  ///< made at the start
  std::function<void(std::chrono::milliseconds ttl)> extend_lease;
  /// Begins to end the sandbox.
  std::function<void(std::chrono::milliseconds grace, const std::string& reason)> end_sandbox;
  std::function<std::uint32_t()> tunnels;  ///< how many there are
  /// The sandbox stood still this long, up to now.
  std::function<void(std::chrono::milliseconds paused)> resumed;
};

/// Serves `agentd.*` to the daemon.
void bind_agentd(wire::Router& router, AgentdService& service);

/// Serves `inner.*` to programs of the sandbox.
void bind_inner(wire::Router& router, AgentdService& service, const Team& team);

}  // namespace swarm::agentd
