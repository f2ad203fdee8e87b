#include "daemon/teams.hpp"

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
  return team::Home{
      .swarm = std::move(place->swarm), .name = std::move(place->name), .sandbox = std::move(place->sandbox)};
}

Teams::Teams(async::Loop& loop, store::Store& store, Random& random, sandbox::Sandboxes& sandboxes,
             const Places& places, costs::Meter& meter, secrets::Vault& vault, const config::Config& config,
             std::function<void(const std::string& step, bool before)> watch_run)
    : git_(loop),
      models_({.loop = loop,
               .store = store,
               .random = random,
               .vault = vault,
               .meter = &meter,
               .upstream = [&config](const std::string& provider) { return upstream(config, provider); }}),
      swarms_({.loop = loop,
               .store = store,
               .random = random,
               .sandboxes = sandboxes,
               .git = git_,
               .repos = places.repos,
               .models = &models_,
               .meter = &meter}),
      ports_(swarms_),
      engine_(loop, store, random, ports_, {.watch = std::move(watch_run)}),
      runs_(engine_),
      homes_(swarms_) {
  swarms_.connect(runs_);
}

std::array<store::Domain, 2> Teams::domains() { return {swarms::kSwarmDomain, workflow::kWorkflowDomain}; }

async::Task<Result<void>> Teams::start() {
  // Swarms first: the engine acts on them as soon as it goes on.
  const Result<void> swarms = co_await swarms_.recover();
  if (!swarms) co_return fail(swarms.error());
  Result<void> runs = co_await engine_.recover();
  co_return runs;
}

void Teams::stop() {
  ports_.stop();
  swarms_.stop();
  models_.stop();
}

void Teams::add_methods(wire::Router& host, wire::Router& tunnel) {
  rpc::add_swarm_methods(host, swarms_);
  rpc::add_workflow_methods({.host = host, .tunnel = tunnel}, homes_, engine_);
}

}  // namespace swarm
