#include "protocol/api/pool.hpp"

#include "daemon/rpc/services.hpp"

namespace swarm::rpc {

void add_pool_methods(wire::Router& router, Services& services) {
  sandbox::Sandboxes& sandboxes = services.sandboxes;
  router.bind(api::kPoolStatus, [&sandboxes](wire::CallContext&, api::PoolStatusRequest request) {
    return sandboxes.pool_status(request.pool);
  });
  router.bind(api::kPoolSet, [&sandboxes](wire::CallContext&, api::PoolSetRequest request) {
    return sandboxes.set_pool(std::move(request));
  });
  router.bind(api::kPoolDrain, [&sandboxes](wire::CallContext&, api::PoolDrainRequest request) {
    return sandboxes.drain_pool(std::move(request.pool));
  });
  router.bind(api::kPoolWarm, [&sandboxes](wire::CallContext&, api::PoolWarmRequest request) {
    return sandboxes.warm_pool(std::move(request));
  });
}

}  // namespace swarm::rpc
