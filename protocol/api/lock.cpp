#include "protocol/api/lock.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<LockKind>();
template const TypeInfo& type_of<LockMode>();
template const TypeInfo& type_of<LockEnd>();
template const TypeInfo& type_of<LockInfo>();
template const TypeInfo& type_of<LockWaiter>();
template const TypeInfo& type_of<LockAcquireRequest>();
template const TypeInfo& type_of<LockAcquireReply>();
template const TypeInfo& type_of<LockRenewRequest>();
template const TypeInfo& type_of<LockReleaseRequest>();
template const TypeInfo& type_of<LockReleaseReply>();
template const TypeInfo& type_of<LockListRequest>();
template const TypeInfo& type_of<LockListReply>();
template const TypeInfo& type_of<LockCheckRequest>();
template const TypeInfo& type_of<LockCheckReply>();
template const TypeInfo& type_of<LockBreakRequest>();
template const TypeInfo& type_of<LockGranted>();
template const TypeInfo& type_of<LockEnded>();
template const TypeInfo& type_of<LockDeadlock>();
template const TypeInfo& type_of<InSwarm<LockAcquireRequest>>();
template const TypeInfo& type_of<InSwarm<LockBreakRequest>>();
template const TypeInfo& type_of<InSwarm<LockCheckRequest>>();
template const TypeInfo& type_of<InSwarm<LockListRequest>>();
template const TypeInfo& type_of<InSwarm<LockReleaseRequest>>();
template const TypeInfo& type_of<InSwarm<LockRenewRequest>>();

std::span<const MethodInfo* const> lock_methods() {
  static constexpr std::array<const MethodInfo*, 6> kAll = {&kLockAcquire, &kLockRenew, &kLockRelease,
                                                            &kLockList,    &kLockCheck, &kLockBreak};
  return kAll;
}

std::span<const EventInfo* const> lock_events() {
  static constexpr std::array<const EventInfo*, 3> kAll = {&kLockGranted, &kLockEnded, &kLockDeadlock};
  return kAll;
}

}  // namespace swarm::api
