#pragma once

#include <map>
#include <string>
#include <vector>

#include "protocol/api/swarm_types.hpp"
#include "protocol/core/error.hpp"

namespace swarm::swarms {

/// How the program of an agent is started.
struct Start {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
};

/// `demo`, or `cmd:PROGRAM` (a line for the shell), which finds its brief in SWARM_BRIEF and its work through `swarm`.
/// `unimplemented` for what cannot be started.
Result<Start> start_of(const api::SwarmAgentInfo& agent, const std::string& brief);

}  // namespace swarm::swarms
