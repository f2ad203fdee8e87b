#include "daemon/teams.hpp"

#include "daemon/rpc/artifact.hpp"
#include "daemon/rpc/ship.hpp"
#include "daemon/rpc/swarm.hpp"
#include "daemon/rpc/workflow.hpp"
#include "daemon/workflow/schema.hpp"

namespace swarm {

namespace {

/// Where a provider's models are asked, with which key: as configured, else its own interface.
model::Upstream upstream(const config::Config& config, const std::string& provider) {
  model::Upstream out{.name = provider, .url = {}, .secret = provider};
  out.url = provider == "anthropic" ? "https://api.anthropic.com"
            : provider == "google"  ? "https://generativelanguage.googleapis.com"
                                    : "https://api.openai.com";
  if (const auto known = config.models.find(provider); known != config.models.end()) {
    if (!known->second.url.empty()) out.url = known->second.url;
    if (!known->second.secret.empty()) out.secret = known->second.secret;
  }
  const auto secret = config.secrets.find(out.secret);
  out.granted = secret != config.secrets.end() && !secret->second.swarms.empty();
  return out;
}

}  // namespace

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
  return team::Home{.swarm = std::move(place->swarm),
                    .name = std::move(place->name),
                    .sandbox = std::move(place->sandbox),
                    .agents = swarms_.agents_in(sandbox)};
}

Teams::Teams(Setup setup)
    : git_(setup.loop),
      models_(
          {.loop = setup.loop,
           .store = setup.store,
           .random = setup.random,
           .vault = setup.vault,
           .meter = &setup.meter,
           .upstream = [&config = setup.config](const std::string& provider) { return upstream(config, provider); }}),
      swarms_({.loop = setup.loop,
               .store = setup.store,
               .random = setup.random,
               .sandboxes = setup.sandboxes,
               .git = git_,
               .repos = setup.places.repos,
               .authorities = &setup.authorities,
               .models = &models_,
               .meter = &setup.meter,
               .config = &setup.config}),
      ports_(swarms_),
      engine_(setup.loop, setup.store, setup.random, ports_, {.watch = std::move(setup.watch_run)}),
      runs_(engine_),
      homes_(swarms_),
      shipping_({.loop = setup.loop,
                 .store = setup.store,
                 .random = setup.random,
                 .swarms = swarms_,
                 .git = git_,
                 .vault = setup.vault,
                 .redactor = setup.redactor,
                 .limiters = setup.limiters,
                 .config = setup.config}),
      artifacts_({.loop = setup.loop,
                  .store = setup.store,
                  .random = setup.random,
                  .directory = setup.places.artifacts,
                  .config = setup.config}) {
  swarms_.connect(runs_);
  swarms_.connect(shipping_);
}

std::array<store::Domain, 4> Teams::domains() {
  return {swarms::kSwarmDomain, workflow::kWorkflowDomain, ship::kShipDomain, artifacts::kArtifactDomain};
}

async::Task<Result<void>> Teams::start() {
  // Swarms first: the engine acts on them as soon as it goes on.
  const Result<void> swarms = co_await swarms_.recover();
  if (!swarms) co_return fail(swarms.error());
  const Result<void> runs = co_await engine_.recover();
  if (!runs) co_return fail(runs.error());
  const Result<void> shipments = co_await shipping_.recover();
  if (!shipments) co_return fail(shipments.error());
  Result<void> kept = co_await artifacts_.start();
  co_return kept;
}

void Teams::stop() {
  artifacts_.stop();
  shipping_.stop();
  ports_.stop();
  swarms_.stop();
  models_.stop();
}

void Teams::add_methods(wire::Router& host, wire::Router& tunnel) {
  rpc::add_swarm_methods(host, swarms_);
  rpc::add_ship_methods(host, shipping_);
  rpc::add_workflow_methods({.host = host, .tunnel = tunnel}, homes_, engine_);
  rpc::add_artifact_methods({.host = host, .tunnel = tunnel}, homes_, swarms_, engine_, artifacts_);
}

}  // namespace swarm
