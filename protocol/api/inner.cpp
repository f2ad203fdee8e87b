#include "protocol/api/inner.hpp"

#include "protocol/api/describe.hpp"
#include "protocol/api/hook.hpp"

namespace swarm::api {

template const TypeInfo& type_of<InnerWhoamiReply>();
template const TypeInfo& type_of<InnerStatusReply>();
template const TypeInfo& type_of<HookEventRequest>();
template const TypeInfo& type_of<HookEventReply>();

std::span<const MethodInfo* const> inner_methods() {
  static constexpr std::array<const MethodInfo*, 3> kAll = {&inside::kInnerWhoami, &inside::kInnerStatus,
                                                            &inside::kHookEvent};
  return kAll;
}

}  // namespace swarm::api
