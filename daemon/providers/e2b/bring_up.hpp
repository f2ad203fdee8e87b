#pragma once
// agentd in a sandbox of any template: what is missing is uploaded through envd, then it is started. What our templates
// bring along is used as it is. It may be done again at any time: an agentd of another version is replaced, one that
// ended is started again; programs and panes outlive that.

#include "daemon/providers/e2b/bundle.hpp"

namespace swarm::e2b {

/// Where it is put in a sandbox. The secret's directory is root's alone.
inline constexpr const char* kAgentRoot = "/opt/swarm";
inline constexpr const char* kOtherRoot =
    "/home/.swarm-agentd";  ///< where the other is read-only and of another version
inline constexpr const char* kPrivate = "/root/.swarm-tunnel";

struct Agent {
  std::string sandbox;  ///< our id
  int port = 0;
};

/// Puts the secret and, where it differs, the bundle into a sandbox, and starts agentd.
async::Task<Result<void>> bring_up(async::Loop& loop, Envd& envd, std::shared_ptr<const Bundle> bundle, Agent agent,
                                   std::string secret);

/// Compares the bundle, replaces it where it differs, and starts agentd where that is needed: not when it runs in our
/// version. `failed_precondition` when the sandbox has no secret.
async::Task<Result<void>> keep_current(async::Loop& loop, Envd& envd, std::shared_ptr<const Bundle> bundle,
                                       Agent agent);

}  // namespace swarm::e2b
