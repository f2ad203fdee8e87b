#include "protocol/api/limits.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<LimitInfo>();
template const TypeInfo& type_of<LimitsListRequest>();
template const TypeInfo& type_of<LimitsListReply>();
template const TypeInfo& type_of<LimitsSetRequest>();
template const TypeInfo& type_of<LimitsResetRequest>();
template const TypeInfo& type_of<LimitChange>();
template const TypeInfo& type_of<LimitEvent>();

std::span<const MethodInfo* const> limits_methods() {
  static constexpr std::array<const MethodInfo*, 3> kAll = {&kLimitsList, &kLimitsSet, &kLimitsReset};
  return kAll;
}

std::span<const EventInfo* const> limits_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kLimitsChanged};
  return kAll;
}

}  // namespace swarm::api
