#include "daemon/forward/forwards.hpp"
#include "daemon/rpc/services.hpp"

namespace swarm::rpc {

void add_forward_methods(wire::Router& router, Services& services) {
  forward::Forwards& forwards = services.forwards;
  router.bind(api::kForwardOpen, [&forwards](wire::CallContext&, api::InSandbox<api::ForwardOpenRequest> request) {
    return forwards.open(request.sandbox, request);
  });
  router.bind(api::kForwardList,
              [&forwards](wire::CallContext&, api::ForwardListRequest request) { return forwards.list(request); });
  router.bind(api::kForwardClose, [&forwards](wire::CallContext&, api::ForwardCloseRequest request) {
    return forwards.close(std::move(request.forward));
  });
}

}  // namespace swarm::rpc
