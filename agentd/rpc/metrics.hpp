#pragma once

#include "agentd/metrics/metrics.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// What `sandbox.metrics` works with; outlives the router.
struct MetricsService {
  async::Loop& loop;
  MetricsSetup setup;
};

/// Serves `sandbox.metrics` to the daemon.
void bind_metrics(wire::Router& router, MetricsService& service);

}  // namespace swarm::agentd
