#include "protocol/api/ship.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<ShipmentState>();
template const TypeInfo& type_of<ShipmentWish>();
template const TypeInfo& type_of<ShipmentPart>();
template const TypeInfo& type_of<ShipmentInfo>();
template const TypeInfo& type_of<SwarmShipmentsReply>();
template const TypeInfo& type_of<SwarmDecideRequest>();
template const TypeInfo& type_of<ShipmentChanged>();
template const TypeInfo& type_of<InSwarm<SwarmShipRequest>>();
template const TypeInfo& type_of<InSwarm<SwarmShipmentsRequest>>();

std::span<const MethodInfo* const> ship_methods() {
  static constexpr std::array<const MethodInfo*, 3> kAll = {&kSwarmShip, &kSwarmDecide, &kSwarmShipments};
  return kAll;
}

std::span<const EventInfo* const> ship_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kShipmentChanged};
  return kAll;
}

}  // namespace swarm::api
