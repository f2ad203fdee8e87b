#include "protocol/api/e2b.hpp"

#include "daemon/e2b/endpoint.hpp"
#include "daemon/rpc/e2b.hpp"

namespace swarm::rpc {

void add_e2b_methods(wire::Router& router, e2b_endpoint::Endpoint& endpoint) {
  router.bind(api::kE2bOpen, [&endpoint](wire::CallContext&, api::E2bOpenRequest request) {
    return endpoint.open(std::move(request));
  });
  router.bind(api::kE2bClose, [&endpoint](wire::CallContext&, api::Empty) { return endpoint.close(); });
  router.bind(api::kE2bStatus,
              [&endpoint](wire::CallContext&, api::Empty) -> Result<api::E2bStatus> { return endpoint.status(); });
  router.bind(api::kE2bFaults, [&endpoint](wire::CallContext&, const api::E2bFaultsRequest& request) {
    return endpoint.set_faults(request);
  });
}

}  // namespace swarm::rpc
