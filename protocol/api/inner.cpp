#include "protocol/api/inner.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<InnerWhoamiReply>();
template const TypeInfo& type_of<InnerStatusReply>();

std::span<const MethodInfo* const> inner_methods() {
  static constexpr std::array<const MethodInfo*, 2> kAll = {&inside::kInnerWhoami, &inside::kInnerStatus};
  return kAll;
}

}  // namespace swarm::api
