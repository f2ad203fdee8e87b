#pragma once
// Calls that an agent makes through its sandbox's agentd, and a person on the host.

#include "protocol/api/agent.hpp"

namespace swarm::api {

/// A request within a swarm together with the agent that makes it. Inside, agentd sets `agent` from the caller's uid
/// whatever the caller wrote; the daemon takes it from tunnels alone.
template <class T>
struct FromAgent : InSwarm<T> {
  std::optional<std::string> agent;
  bool operator==(const FromAgent&) const = default;

  template <class D>
  static void describe(D& d) {
    InSwarm<T>::describe(d);
    d.field("agent", &FromAgent::agent,
            "The agent that calls. Its sandbox says it, from what the kernel knows of the caller; refused from others.")
        .non_empty()
        .max_length(64);
  }
};

}  // namespace swarm::api
