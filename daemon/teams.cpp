#include "daemon/teams.hpp"

#include "daemon/rpc/swarm.hpp"

namespace swarm {

Teams::Teams(async::Loop& loop, store::Store& store, Random& random, sandbox::Sandboxes& sandboxes,
             const Places& places)
    : git_(loop),
      swarms_(
          {.loop = loop, .store = store, .random = random, .sandboxes = sandboxes, .git = git_, .repos = places.repos}),
      ports_(swarms_) {}

std::array<store::Domain, 1> Teams::domains() { return {swarms::kSwarmDomain}; }

async::Task<Result<void>> Teams::start() {
  Result<void> recovered = co_await swarms_.recover();
  co_return recovered;
}

void Teams::stop() {
  ports_.stop();
  swarms_.stop();
}

void Teams::add_methods(wire::Router& router) { rpc::add_swarm_methods(router, swarms_); }

}  // namespace swarm
