#include "protocol/api/swarm.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<SwarmState>();
template const TypeInfo& type_of<SwarmStep>();
template const TypeInfo& type_of<SwarmAgentSpec>();
template const TypeInfo& type_of<SwarmPlace>();
template const TypeInfo& type_of<SwarmAgentInfo>();
template const TypeInfo& type_of<SwarmReviewPolicy>();
template const TypeInfo& type_of<SwarmTaskCounts>();
template const TypeInfo& type_of<SwarmRepo>();
template const TypeInfo& type_of<SwarmInfo>();
template const TypeInfo& type_of<SwarmCreateRequest>();
template const TypeInfo& type_of<SwarmListRequest>();
template const TypeInfo& type_of<SwarmListReply>();
template const TypeInfo& type_of<SwarmFetchReply>();
template const TypeInfo& type_of<SwarmDiffReply>();
template const TypeInfo& type_of<SwarmCommit>();
template const TypeInfo& type_of<SwarmLogReply>();
template const TypeInfo& type_of<SwarmStateChanged>();
template const TypeInfo& type_of<SwarmLanded>();
template const TypeInfo& type_of<SwarmMergeRefused>();
template const TypeInfo& type_of<InSwarm<SwarmRequest>>();
template const TypeInfo& type_of<InSwarm<SwarmShutdownRequest>>();
template const TypeInfo& type_of<InSwarm<SwarmDiffRequest>>();
template const TypeInfo& type_of<InSwarm<SwarmLogRequest>>();
template const TypeInfo& type_of<InSwarm<SwarmDiscardRequest>>();

std::span<const MethodInfo* const> swarm_methods() {
  static constexpr std::array<const MethodInfo*, 10> kAll = {
      &kSwarmCreate, &kSwarmList,  &kSwarmInfo, &kSwarmShutdown, &kSwarmPause,
      &kSwarmResume, &kSwarmFetch, &kSwarmDiff, &kSwarmLog,      &kSwarmDiscard};
  return kAll;
}

std::span<const EventInfo* const> swarm_events() {
  static constexpr std::array<const EventInfo*, 4> kAll = {&kSwarmState, &kSwarmAgent, &kSwarmLanded,
                                                           &kSwarmMergeRefused};
  return kAll;
}

}  // namespace swarm::api
