// From a request and the configuration to the full record of a sandbox that can be made.
#include <fmt/format.h>

#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/core/id.hpp"
#include "protocol/core/nearest.hpp"

namespace swarm::sandbox {
namespace {

std::chrono::milliseconds to_ms(Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d); }

template <class T>
T first_of(const std::optional<T>& asked, const std::optional<T>& of_template, T by_default) {
  if (asked) return *asked;
  return of_template.value_or(by_default);
}

api::NetworkMode to_mode(config::Network network) {
  switch (network) {
    case config::Network::on:
      return api::NetworkMode::on;
    case config::Network::allow:
      return api::NetworkMode::allow;
    case config::Network::off:
      break;
  }
  return api::NetworkMode::off;
}

}  // namespace

api::SandboxLimits limits_of(const api::SandboxLimits& asked, const config::Template& from,
                             const config::Sandbox& defaults) {
  const auto bytes = [](const std::optional<ByteSize>& size) {
    return size ? std::optional<std::uint64_t>(size->bytes) : std::nullopt;
  };
  const auto count = [](const std::optional<std::uint32_t>& n) {
    return n ? std::optional<std::uint64_t>(*n) : std::nullopt;
  };
  return {
      .memory_bytes = first_of(asked.memory_bytes, bytes(from.memory), defaults.memory.bytes),
      .cpus = first_of(asked.cpus, from.cpus, defaults.cpus),
      .processes = first_of(asked.processes, count(from.processes), std::uint64_t{defaults.processes}),
      .descriptors = first_of(asked.descriptors, count(from.descriptors), std::uint64_t{defaults.descriptors}),
      .disk_bytes = first_of(asked.disk_bytes, bytes(from.disk), defaults.disk.bytes),
  };
}

api::NetworkPolicy network_of(const std::optional<api::NetworkPolicy>& asked, const config::Template& from,
                              const config::Sandbox& defaults) {
  if (asked) return *asked;
  return {.mode = to_mode(from.network.value_or(defaults.network)), .allow = from.allow.value_or(defaults.allow)};
}

providers::Provider* Sandboxes::provider(const std::string& name) const {
  for (providers::Provider* candidate : with_.providers) {
    if (candidate->name() == name) return candidate;
  }
  return nullptr;
}

Result<providers::Provider*> Sandboxes::provider_of(const Sandbox& sandbox) const {
  if (providers::Provider* by = provider(sandbox.record.info.provider)) return by;
  return fail(Code::failed_precondition, not_served(sandbox));
}

std::vector<std::string> Sandboxes::providers_for(const api::SandboxCreateRequest& request) const {
  if (request.provider && *request.provider != "auto") return {*request.provider};
  const config::Config& config = with_.config;
  std::vector<std::string> order = config.sandbox.provider;
  const auto found = config.templates.find(request.template_name.value_or(config.sandbox.template_name));
  if (found != config.templates.end() && !found->second.provider.empty()) order = found->second.provider;
  // One that is configured and not enabled is passed over, unless nobody is left.
  std::vector<std::string> here;
  for (const std::string& name : order) {
    if (provider(name) != nullptr) here.push_back(name);
  }
  return here.empty() ? order : here;
}

Result<Record> Sandboxes::plan(const api::SandboxCreateRequest& request) {
  const config::Config& config = with_.config;
  const std::string template_name = request.template_name.value_or(config.sandbox.template_name);
  const auto found = config.templates.find(template_name);
  if (found == config.templates.end() && template_name != "default") {
    std::vector<std::string> names = {"default"};
    for (const auto& [name, ignored] : config.templates) names.push_back(name);
    return fail(Code::not_found,
                fmt::format("there is no template '{}'{}", template_name, did_you_mean(template_name, names)));
  }
  const config::Template from = found == config.templates.end() ? config::Template{} : found->second;

  const std::vector<std::string>& order = from.provider.empty() ? config.sandbox.provider : from.provider;
  const std::string provider_name = request.provider.value_or(order.empty() ? "local" : order.front());
  if (provider(provider_name) == nullptr) {
    std::vector<std::string> names;
    for (const auto* candidate : with_.providers) names.push_back(candidate->name());
    return fail(Code::not_found,
                fmt::format("there is no provider '{}' here{}", provider_name, did_you_mean(provider_name, names)));
  }

  Record record;
  record.info.id = new_sandbox_id(with_.random);
  record.info.name = request.name;
  record.info.state = State::requested;
  record.info.template_name = template_name;
  record.info.provider = provider_name;
  record.info.swarm = request.swarm;
  record.info.labels = request.labels;
  record.info.created_us = record.info.changed_us = with_.loop.clock().wall().us;
  record.info.user = from.user;
  record.info.workspace = api::Path{from.directory};
  record.hidden.env = from.env;
  for (const auto& [name, value] : request.env) record.hidden.env[name] = value;
  record.hidden.limits = limits_of(request.limits, from, config.sandbox);
  record.hidden.network = network_of(request.network, from, config.sandbox);
  record.hidden.lease_ms = request.lease_ms.value_or(to_ms(from.lease.value_or(config.sandbox.lease)));
  record.hidden.max_lifetime_ms =
      request.max_lifetime_ms.value_or(to_ms(from.max_duration.value_or(config.sandbox.max_duration)));
  const auto idle = [](const std::optional<std::chrono::milliseconds>& asked, Duration configured) {
    const std::chrono::milliseconds after = asked.value_or(to_ms(configured));
    return after.count() > 0 ? std::optional(after) : std::nullopt;
  };
  record.info.idle_pause_ms = idle(request.idle_pause_ms, config.sandbox.idle_pause);
  record.info.idle_kill_ms = idle(request.idle_kill_ms, config.sandbox.idle_kill);
  record.hidden.secret.data.resize(32);
  with_.random.fill(std::as_writable_bytes(std::span(record.hidden.secret.data)));
  if (record.hidden.max_lifetime_ms.count() > 0) {
    record.info.lifetime_ends_us = record.info.created_us + record.hidden.max_lifetime_ms.count() * 1000;
  }
  return record;
}

}  // namespace swarm::sandbox
