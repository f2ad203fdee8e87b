#include "protocol/api/team.hpp"

#include "protocol/api/describe.hpp"

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
template const TypeInfo& type_of<TeamListRequest>();
template const TypeInfo& type_of<InSwarm<TeamListRequest>>();

std::span<const MethodInfo* const> team_inside_methods() {
  static constexpr std::array<const MethodInfo*, 5> kAll = {&inside::kTeamOpen, &inside::kTeamJoin, &inside::kTeamLeave,
                                                            &inside::kTeamList, &inside::kTeamLog};
  return kAll;
}

std::span<const MethodInfo* const> team_methods() {
  static constexpr std::array<const MethodInfo*, 4> kAll = {&kTeamOpen, &kTeamJoin, &kTeamLeave, &kTeamList};
  return kAll;
}

}  // namespace swarm::api
