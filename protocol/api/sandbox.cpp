#include "protocol/api/sandbox.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<SandboxState>();
template const TypeInfo& type_of<Identity>();
template const TypeInfo& type_of<IsolationKind>();
template const TypeInfo& type_of<NetworkMode>();
template const TypeInfo& type_of<Resource>();
template const TypeInfo& type_of<LimitMechanism>();
template const TypeInfo& type_of<PauseMechanism>();
template const TypeInfo& type_of<TunnelState>();
template const TypeInfo& type_of<NetworkPolicy>();
template const TypeInfo& type_of<SandboxLimits>();
template const TypeInfo& type_of<LimitStatus>();
template const TypeInfo& type_of<Isolation>();
template const TypeInfo& type_of<SystemInfo>();
template const TypeInfo& type_of<SandboxInfo>();
template const TypeInfo& type_of<ProcessMetrics>();
template const TypeInfo& type_of<SandboxMetrics>();
template const TypeInfo& type_of<SandboxCreateRequest>();
template const TypeInfo& type_of<SandboxListRequest>();
template const TypeInfo& type_of<SandboxListReply>();
template const TypeInfo& type_of<SandboxKillRequest>();
template const TypeInfo& type_of<SandboxExtendRequest>();
template const TypeInfo& type_of<SandboxExtendReply>();
template const TypeInfo& type_of<SandboxResizeRequest>();
template const TypeInfo& type_of<SandboxStateChanged>();
template const TypeInfo& type_of<SandboxLimitHit>();
template const TypeInfo& type_of<InSandbox<Empty>>();
template const TypeInfo& type_of<InSandbox<SandboxExtendRequest>>();
template const TypeInfo& type_of<InSandbox<SandboxKillRequest>>();
template const TypeInfo& type_of<InSandbox<SandboxResizeRequest>>();

std::span<const MethodInfo* const> sandbox_methods() {
  static constexpr std::array<const MethodInfo*, 9> kAll = {&kSandboxCreate, &kSandboxList,    &kSandboxInfo,
                                                            &kSandboxKill,   &kSandboxMetrics, &kSandboxExtend,
                                                            &kSandboxPause,  &kSandboxResume,  &kSandboxResize};
  return kAll;
}

std::span<const EventInfo* const> sandbox_events() {
  static constexpr std::array<const EventInfo*, 2> kAll = {&kSandboxState, &kSandboxLimit};
  return kAll;
}

}  // namespace swarm::api
