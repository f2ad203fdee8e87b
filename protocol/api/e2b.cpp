#include "protocol/api/e2b.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<E2bOpenRequest>();
template const TypeInfo& type_of<E2bStatus>();
template const TypeInfo& type_of<E2bFaultKind>();
template const TypeInfo& type_of<E2bFault>();
template const TypeInfo& type_of<E2bFaultsRequest>();

std::span<const MethodInfo* const> e2b_methods() {
  static constexpr std::array<const MethodInfo*, 4> kAll = {&kE2bOpen, &kE2bClose, &kE2bStatus, &kE2bFaults};
  return kAll;
}

}  // namespace swarm::api
