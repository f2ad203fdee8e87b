#include "agentd/rpc/metrics.hpp"

#include "protocol/api/agentd.hpp"
#include "protocol/async/blocking.hpp"

namespace swarm::agentd {

void bind_metrics(wire::Router& router, MetricsService& service) {
  router.bind(api::inside::kSandboxMetrics, [&service](wire::CallContext&, api::Empty) {
    // The clock outlives the loop, and the loop its jobs.
    return async::run_blocking(
        service.loop, [setup = service.setup, &clock = service.loop.clock()] { return read_metrics(setup, clock); });
  });
}

}  // namespace swarm::agentd
