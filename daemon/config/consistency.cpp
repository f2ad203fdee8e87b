#include "daemon/config/consistency.hpp"

#include <fmt/format.h>

#include "protocol/core/nearest.hpp"

namespace swarm::config {
namespace {

class Check {
 public:
  explicit Check(const Config& config) : config_(config) {
    templates_.emplace_back("default");
    for (const auto& [name, value] : config.templates) templates_.push_back(name);
  }

  std::vector<Conflict> run() {
    require_template("sandbox.template", config_.sandbox.template_name);
    require_allow("sandbox.allow", config_.sandbox.network, config_.sandbox.allow);
    if (config_.sandbox.provider.empty()) add("sandbox.provider", "must name at least one provider");
    if (config_.limits.session_buffer > config_.limits.session_buffers) {
      add("limits.session_buffer",
          fmt::format("{} is more than limits.session_buffers, {}, allows for all tunnels together",
                      format_size(config_.limits.session_buffer), format_size(config_.limits.session_buffers)));
    }
    for (const auto& [name, value] : config_.templates) check_template(name, value);
    for (const auto& [name, value] : config_.pools) check_pool(name, value);
    for (const auto& [name, value] : config_.secrets) check_secret(name, value);
    for (const auto& [name, value] : config_.prices) {
      if (value.applies_to.empty()) add("price." + name + ".applies_to", "says what it is the price of; it is not set");
    }
    for (const auto& [name, value] : config_.rates) {
      if (value.key.empty()) add("rate." + name + ".key", "says what is limited; it is not set");
    }
    return std::move(found_);
  }

 private:
  void add(std::string key, std::string message) { found_.push_back({std::move(key), std::move(message)}); }

  void require_template(const std::string& key, const std::string& name) {
    if (std::ranges::find(templates_, name) != templates_.end()) return;
    add(key, fmt::format("there is no [template.{}]{}", name, did_you_mean(name, templates_)));
  }

  void require_allow(const std::string& key, Network network, const std::vector<std::string>& allow) {
    if (network == Network::allow && allow.empty()) {
      add(key, "network = \"allow\" needs the names that may be reached; for none use network = \"off\"");
    }
  }

  void check_template(const std::string& name, const Template& value) {
    if (!value.network && !value.allow) return;
    require_allow("template." + name + ".allow", value.network.value_or(config_.sandbox.network),
                  value.allow.value_or(config_.sandbox.allow));
  }

  void check_pool(const std::string& name, const Pool& pool) {
    require_template("pool." + name + ".template", pool.template_name);
    if (pool.min_ready > pool.max_ready) {
      add("pool." + name + ".min_ready", fmt::format("{} is more than max_ready, {}", pool.min_ready, pool.max_ready));
    }
    if (pool.min_ready > config_.limits.sandboxes) {
      add("pool." + name + ".min_ready",
          fmt::format("{} is more than limits.sandboxes, {}", pool.min_ready, config_.limits.sandboxes));
    }
  }

  void check_secret(const std::string& name, const Secret& secret) {
    const std::string prefix = "secret." + name + ".";
    const auto require = [&](SecretSource source, std::string_view word, std::string_view setting, bool set) {
      const std::string key = prefix + std::string(setting);
      if (secret.source == source && !set) {
        add(key, fmt::format("source = \"{}\" needs '{}'", word, setting));
      } else if (secret.source != source && set) {
        add(key, fmt::format("is only used with source = \"{}\"", word));
      }
    };
    require(SecretSource::environment, "environment", "variable", !secret.variable.empty());
    require(SecretSource::file, "file", "file", !secret.file.empty());
    require(SecretSource::credential, "credential", "credential", !secret.credential.empty());
    require(SecretSource::command, "command", "command", !secret.command.empty());
    if (secret.credential.contains('/')) add(prefix + "credential", "must be a name without '/'");
    if (!secret.command.empty() && secret.command.front().empty())
      add(prefix + "command", "the program's name is empty");
  }

  const Config& config_;
  std::vector<std::string> templates_;
  std::vector<Conflict> found_;
};

}  // namespace

std::vector<Conflict> conflicts(const Config& config) { return Check(config).run(); }

}  // namespace swarm::config
