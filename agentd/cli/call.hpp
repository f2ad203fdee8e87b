#pragma once

#include <chrono>
#include <string>

#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"

namespace swarm::cli {

/// Where agentd listens inside a sandbox.
inline constexpr const char* kInnerSocket = "/run/swarm/agentd.sock";

/// Calls one method of agentd and waits for its answer, at most `patience`. One connection for one call: `swarm` does
/// one thing and ends. Failures of the method keep their code; `unavailable` when agentd cannot be reached.
Result<Value> call(const std::string& socket, const std::string& method, Value arguments,
                   std::chrono::milliseconds patience);

}  // namespace swarm::cli
