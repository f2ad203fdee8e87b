#include "protocol/api/team.hpp"

#include "protocol/api/describe.hpp"
#include "protocol/api/relay.hpp"

namespace swarm::api {

template const TypeInfo& type_of<TeamMember>();
template const TypeInfo& type_of<TeamPatience>();
template const TypeInfo& type_of<TeamOpenRequest>();
template const TypeInfo& type_of<TeamInfo>();
template const TypeInfo& type_of<TeamJoinRequest>();
template const TypeInfo& type_of<TeamLogRequest>();
template const TypeInfo& type_of<TeamLogReply>();
template const TypeInfo& type_of<TeamLeaveRequest>();
template const TypeInfo& type_of<InSandbox<TeamOpenRequest>>();
template const TypeInfo& type_of<InSwarm<TeamJoinRequest>>();
template const TypeInfo& type_of<InSwarm<TeamLeaveRequest>>();
template const TypeInfo& type_of<RelayCallRequest>();
template const TypeInfo& type_of<RelayCallReply>();
template const TypeInfo& type_of<RelayHookRequest>();
template const TypeInfo& type_of<RelayReportRequest>();
template const TypeInfo& type_of<TeamMailRequest>();
template const TypeInfo& type_of<TeamListRequest>();
template const TypeInfo& type_of<InSwarm<TeamListRequest>>();

std::span<const MethodInfo* const> team_inside_methods() {
  static constexpr std::array<const MethodInfo*, 6> kAll = {&inside::kTeamOpen, &inside::kTeamJoin, &inside::kTeamLeave,
                                                            &inside::kTeamList, &inside::kTeamLog,  &inside::kTeamMail};
  return kAll;
}

std::span<const MethodInfo* const> team_methods() {
  static constexpr std::array<const MethodInfo*, 4> kAll = {&kTeamOpen, &kTeamJoin, &kTeamLeave, &kTeamList};
  return kAll;
}

std::span<const MethodInfo* const> relay_methods() {
  static constexpr std::array<const MethodInfo*, 3> kAll = {&kRelayCall, &kRelayHook, &kRelayReport};
  return kAll;
}

}  // namespace swarm::api
