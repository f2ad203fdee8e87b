#include "daemon/rpc/ship.hpp"

#include "daemon/ship/shipping.hpp"

namespace swarm::rpc {

void add_ship_methods(wire::Router& router, ship::Shipping& shipping) {
  router.bind(api::kSwarmShip, [&shipping](wire::CallContext&, api::InSwarm<api::SwarmShipRequest> request) {
    return shipping.ship(request.swarm, request);
  });
  router.bind(api::kSwarmDecide, [&shipping](wire::CallContext&, api::SwarmDecideRequest request) {
    return shipping.decide(std::move(request));
  });
  router.bind(api::kSwarmShipments, [&shipping](wire::CallContext&, api::InSwarm<api::SwarmShipmentsRequest> request) {
    return shipping.list(request.swarm, request);
  });
}

}  // namespace swarm::rpc
