#include "protocol/api/agentd.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<AgentdInfoReply>();
template const TypeInfo& type_of<AgentdEvent>();
template const TypeInfo& type_of<AgentdEventsRequest>();
template const TypeInfo& type_of<AgentdEventsReply>();
template const TypeInfo& type_of<AgentdKeepaliveRequest>();
template const TypeInfo& type_of<AgentdKeepaliveReply>();
template const TypeInfo& type_of<AgentdShutdownRequest>();
template const TypeInfo& type_of<AgentdResumedRequest>();

std::span<const MethodInfo* const> agentd_own_methods() {
  static constexpr std::array<const MethodInfo*, 33> kAll = {
      &inside::kAgentdEvents,      &inside::kAgentdInfo,     &inside::kAgentdKeepalive, &inside::kAgentdShutdown,
      &inside::kAgentdResumed,     &inside::kSandboxMetrics, &inside::kExecStart,       &inside::kExecWait,
      &inside::kExecList,          &inside::kExecAttach,     &inside::kExecResize,      &inside::kExecSignal,
      &inside::kExecKill,          &inside::kFilesRead,      &inside::kFilesWrite,      &inside::kFilesAppend,
      &inside::kFilesList,         &inside::kFilesStat,      &inside::kFilesMkdir,      &inside::kFilesRemove,
      &inside::kFilesRename,       &inside::kFilesChmod,     &inside::kFilesGlob,       &inside::kFilesWatch,
      &inside::kFilesUnwatch,      &inside::kFilesUpload,    &inside::kFilesDownload,   &inside::kFilesUploadTree,
      &inside::kFilesDownloadTree, &inside::kForwardDial,    &inside::kForwardListen,   &inside::kForwardAccept,
      &inside::kForwardClose};
  return kAll;
}

}  // namespace swarm::api
