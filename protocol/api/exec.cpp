#include "protocol/api/exec.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<ExecState>();
template const TypeInfo& type_of<SignalTarget>();
template const TypeInfo& type_of<Pty>();
template const TypeInfo& type_of<ExecStatus>();
template const TypeInfo& type_of<ExecStartRequest>();
template const TypeInfo& type_of<ExecStartReply>();
template const TypeInfo& type_of<ExecWaitRequest>();
template const TypeInfo& type_of<ExecInfo>();
template const TypeInfo& type_of<ExecListRequest>();
template const TypeInfo& type_of<ExecListReply>();
template const TypeInfo& type_of<ExecAttachRequest>();
template const TypeInfo& type_of<ExecAttachReply>();
template const TypeInfo& type_of<ExecResizeRequest>();
template const TypeInfo& type_of<ExecSignalRequest>();
template const TypeInfo& type_of<ExecKillRequest>();
template const TypeInfo& type_of<ExecStarted>();
template const TypeInfo& type_of<ExecEnded>();
template const TypeInfo& type_of<InSandbox<ExecAttachRequest>>();
template const TypeInfo& type_of<InSandbox<ExecKillRequest>>();
template const TypeInfo& type_of<InSandbox<ExecListRequest>>();
template const TypeInfo& type_of<InSandbox<ExecResizeRequest>>();
template const TypeInfo& type_of<InSandbox<ExecSignalRequest>>();
template const TypeInfo& type_of<InSandbox<ExecStartRequest>>();
template const TypeInfo& type_of<InSandbox<ExecWaitRequest>>();

std::span<const MethodInfo* const> exec_methods() {
  static constexpr std::array<const MethodInfo*, 7> kAll = {&kExecStart,  &kExecWait,   &kExecList, &kExecAttach,
                                                            &kExecResize, &kExecSignal, &kExecKill};
  return kAll;
}

std::span<const EventInfo* const> exec_events() {
  static constexpr std::array<const EventInfo*, 2> kAll = {&kExecStarted, &kExecEnded};
  return kAll;
}

}  // namespace swarm::api
