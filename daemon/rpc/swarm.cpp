#include "daemon/rpc/swarm.hpp"

#include "daemon/swarm/swarms.hpp"

namespace swarm::rpc {

using api::InSwarm;

void add_swarm_methods(wire::Router& router, swarms::Swarms& swarms) {
  router.bind(api::kSwarmCreate, [&swarms](wire::CallContext&, api::SwarmCreateRequest request) {
    return swarms.create(std::move(request));
  });
  router.bind(api::kSwarmList,
              [&swarms](wire::CallContext&, api::SwarmListRequest request) { return swarms.list(std::move(request)); });
  router.bind(api::kSwarmInfo, [&swarms](wire::CallContext&, InSwarm<api::SwarmRequest> request) {
    return swarms.info(std::move(request.swarm));
  });
  router.bind(api::kSwarmShutdown, [&swarms](wire::CallContext&, InSwarm<api::SwarmShutdownRequest> request) {
    return swarms.shutdown(request.swarm, request);
  });
  router.bind(api::kSwarmPause, [&swarms](wire::CallContext&, InSwarm<api::SwarmRequest> request) {
    return swarms.pause(std::move(request.swarm));
  });
  router.bind(api::kSwarmResume, [&swarms](wire::CallContext&, InSwarm<api::SwarmRequest> request) {
    return swarms.resume(std::move(request.swarm));
  });
  router.bind(api::kSwarmFetch, [&swarms](wire::CallContext&, InSwarm<api::SwarmRequest> request) {
    return swarms.fetch(std::move(request.swarm));
  });
  router.bind(api::kSwarmDiff, [&swarms](wire::CallContext&, InSwarm<api::SwarmDiffRequest> request) {
    return swarms.diff(request.swarm, request);
  });
  router.bind(api::kSwarmLog, [&swarms](wire::CallContext&, InSwarm<api::SwarmLogRequest> request) {
    return swarms.log(request.swarm, request);
  });
  router.bind(api::kSwarmDiscard, [&swarms](wire::CallContext&, InSwarm<api::SwarmDiscardRequest> request) {
    return swarms.discard(request.swarm, request);
  });
}

}  // namespace swarm::rpc
