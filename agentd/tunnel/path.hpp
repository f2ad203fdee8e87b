#pragma once

namespace swarm::agentd {

/// Where on its port agentd takes tunnels as WebSockets. Not `/ws`, which E2B's edge holds to a few requests a second.
inline constexpr const char* kTunnelPath = "/swarm/tunnel";

}  // namespace swarm::agentd
