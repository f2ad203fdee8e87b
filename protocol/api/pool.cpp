#include "protocol/api/pool.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<BreakerState>();
template const TypeInfo& type_of<PoolCounters>();
template const TypeInfo& type_of<PoolInfo>();
template const TypeInfo& type_of<ClaimCounters>();
template const TypeInfo& type_of<CapacityUse>();
template const TypeInfo& type_of<PoolStatusRequest>();
template const TypeInfo& type_of<PoolStatusReply>();
template const TypeInfo& type_of<PoolSetRequest>();
template const TypeInfo& type_of<PoolDrainRequest>();
template const TypeInfo& type_of<PoolDrainReply>();
template const TypeInfo& type_of<PoolWarmRequest>();
template const TypeInfo& type_of<PoolClaimed>();
template const TypeInfo& type_of<PoolBreaker>();
template const TypeInfo& type_of<PoolDead>();
template const TypeInfo& type_of<PoolChanged>();
template const TypeInfo& type_of<CapacityShort>();

std::span<const MethodInfo* const> pool_methods() {
  static constexpr std::array<const MethodInfo*, 4> kAll = {&kPoolStatus, &kPoolSet, &kPoolDrain, &kPoolWarm};
  return kAll;
}

std::span<const EventInfo* const> pool_events() {
  static constexpr std::array<const EventInfo*, 6> kAll = {&kPoolClaimed, &kPoolBreaker,     &kPoolDead,
                                                           &kPoolChanged, &kCapacityWaiting, &kCapacityRefused};
  return kAll;
}

}  // namespace swarm::api
