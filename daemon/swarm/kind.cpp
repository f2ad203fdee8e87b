#include "daemon/swarm/kind.hpp"

#include <fmt/format.h>

namespace swarm::swarms {

Result<Start> start_of(const api::SwarmAgentInfo& agent, const std::string& brief) {
  Start start{.argv = {}, .env = {{"SWARM_AGENT", agent.id}, {"SWARM_ROLE", agent.role}, {"SWARM_BRIEF", brief}}};
  if (agent.kind == "demo") {
    start.argv = {"swarm-demo-agent"};
    return start;
  }
  if (agent.kind.starts_with("cmd:") && agent.kind.size() > 4) {
    start.argv = {"/bin/sh", "-c", agent.kind.substr(4)};
    return start;
  }
  return fail(Code::unimplemented,
              fmt::format("agents of kind '{}' cannot be started yet; there are 'demo' and 'cmd:PROGRAM'", agent.kind));
}

}  // namespace swarm::swarms
