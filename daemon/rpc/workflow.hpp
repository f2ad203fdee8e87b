#pragma once
// Runs, tasks, reviews, votes and questions over the socket, and for agents over their sandbox's tunnel.

#include <functional>

#include "daemon/workflow/engine.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::rpc {

/// Whether a call has to say which swarm it is for.
enum class SwarmNeeded : std::uint8_t {
  yes,
  no,  ///< what it names has an id of its own; without a swarm it may be anybody's
};

/// Who calls, and for which swarm. `swarm` and `agent` are what the call says; from a tunnel the swarm is that of its
/// sandbox whatever it says, and on the host nobody speaks for an agent (`permission_denied`).
using ActorOf =
    std::function<Result<workflow::Actor>(const wire::CallContext& call, const std::optional<std::string>& swarm,
                                          const std::optional<std::string>& agent, SwarmNeeded needed)>;

/// Serves on each router what its callers may call. The engine outlives both.
void add_workflow_methods(wire::Router& host, wire::Router& tunnel, workflow::Engine& engine, ActorOf actor_of);

}  // namespace swarm::rpc
