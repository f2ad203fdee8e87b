#include "protocol/api/forward.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<ForwardDirection>();
template const TypeInfo& type_of<ForwardOpenRequest>();
template const TypeInfo& type_of<ForwardInfo>();
template const TypeInfo& type_of<ForwardListRequest>();
template const TypeInfo& type_of<ForwardListReply>();
template const TypeInfo& type_of<ForwardCloseRequest>();
template const TypeInfo& type_of<ForwardDialRequest>();
template const TypeInfo& type_of<ForwardListenRequest>();
template const TypeInfo& type_of<ForwardListenReply>();
template const TypeInfo& type_of<ForwardAcceptRequest>();
template const TypeInfo& type_of<ForwardAcceptReply>();
template const TypeInfo& type_of<InSandbox<ForwardOpenRequest>>();

std::span<const MethodInfo* const> forward_methods() {
  static constexpr std::array<const MethodInfo*, 3> kAll = {&kForwardOpen, &kForwardList, &kForwardClose};
  return kAll;
}

}  // namespace swarm::api
