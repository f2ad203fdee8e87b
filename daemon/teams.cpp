#include "daemon/teams.hpp"

#include "daemon/rpc/swarm.hpp"

namespace swarm {

Result<team::Home> SwarmHomes::find(const std::optional<std::string>& what) const {
  Result<swarms::Place> place = swarms_.find(what);
  if (!place) return fail(place.error());
  if (place->sandbox.empty()) {
    return fail(Code::failed_precondition, "swarm '" + place->name + "' has no sandbox now");
  }
  return team::Home{
      .swarm = std::move(place->swarm), .name = std::move(place->name), .sandbox = std::move(place->sandbox)};
}

std::optional<team::Home> SwarmHomes::of_sandbox(const std::string& sandbox) const {
  std::optional<swarms::Place> place = swarms_.of_sandbox(sandbox);
  if (!place) return std::nullopt;
  return team::Home{
      .swarm = std::move(place->swarm), .name = std::move(place->name), .sandbox = std::move(place->sandbox)};
}

Teams::Teams(async::Loop& loop, store::Store& store, Random& random, sandbox::Sandboxes& sandboxes,
             const Places& places)
    : git_(loop),
      swarms_(
          {.loop = loop, .store = store, .random = random, .sandboxes = sandboxes, .git = git_, .repos = places.repos}),
      ports_(swarms_),
      homes_(swarms_) {}

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
