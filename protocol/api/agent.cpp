#include "protocol/api/agent.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<AgentState>();
template const TypeInfo& type_of<AgentSkill>();
template const TypeInfo& type_of<AgentCard>();
template const TypeInfo& type_of<AgentDelivery>();
template const TypeInfo& type_of<StallKind>();
template const TypeInfo& type_of<StallRung>();
template const TypeInfo& type_of<AgentStalled>();
template const TypeInfo& type_of<AgentProgram>();
template const TypeInfo& type_of<AgentInfo>();
template const TypeInfo& type_of<AgentListRequest>();
template const TypeInfo& type_of<AgentListReply>();
template const TypeInfo& type_of<AgentInfoRequest>();
template const TypeInfo& type_of<AgentFindRequest>();
template const TypeInfo& type_of<AgentCandidate>();
template const TypeInfo& type_of<AgentFindReply>();
template const TypeInfo& type_of<AgentUpdateRequest>();
template const TypeInfo& type_of<AgentRegistered>();
template const TypeInfo& type_of<AgentStateChanged>();
template const TypeInfo& type_of<InSwarm<AgentFindRequest>>();
template const TypeInfo& type_of<InSwarm<AgentInfoRequest>>();
template const TypeInfo& type_of<InSwarm<AgentListRequest>>();
template const TypeInfo& type_of<InSwarm<AgentUpdateRequest>>();

std::span<const MethodInfo* const> agent_methods() {
  static constexpr std::array<const MethodInfo*, 4> kAll = {&kAgentList, &kAgentInfo, &kAgentFind, &kAgentUpdate};
  return kAll;
}

std::span<const EventInfo* const> agent_events() {
  static constexpr std::array<const EventInfo*, 3> kAll = {&kAgentRegistered, &kAgentState, &kAgentStalled};
  return kAll;
}

}  // namespace swarm::api
