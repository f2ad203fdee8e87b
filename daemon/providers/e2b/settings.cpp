#include "daemon/providers/e2b/settings.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "daemon/providers/local/setup.hpp"
#include "protocol/core/version.hpp"
#include "protocol/http/url.hpp"

namespace swarm::e2b {
namespace {

constexpr const char* kKeyVariable = "E2B_API_KEY";

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

async::Task<Result<secrets::SecretString>> key_of(secrets::Vault& vault, std::string name) {
  Result<secrets::SecretString> key = co_await vault.get(name);
  if (key) co_return key;
  co_return fail(
      Code::unauthenticated,
      fmt::format("no API key for E2B: {}; set E2B_API_KEY, or 'swarmctl secret set {}'", key.error().message, name));
}

}  // namespace

Result<Settings> settings_from(const config::Config& config, secrets::Vault& vault) {
  return settings_from(config, [&vault, name = config.e2b.secret] { return key_of(vault, name); });
}

Result<Settings> settings_from(const config::Config& config, KeySource key) {
  const config::E2bProvider& from = config.e2b;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail(Code::failed_precondition, "/proc/self/exe cannot be read; is /proc mounted?");
  Result<local::Installation> installed = local::find_installation(program);
  if (!installed) return fail(installed.error());

  Settings settings;
  settings.api_url = without_slash(from.api_url.empty() ? "https://api." + from.domain : from.api_url);
  settings.routing = {.domain = from.domain, .sandbox_url = without_slash(from.sandbox_url)};
  for (const std::string& url : {settings.api_url, settings.routing.sandbox_url}) {
    if (url.empty()) continue;
    if (const auto parsed = http_client::parse_url(url); !parsed) return fail(parsed.error());
  }
  settings.ca_file = from.ca_file.native();
  settings.key = std::move(key);
  settings.user_agent = fmt::format("swarmd/{}", kVersion);
  settings.template_id = from.template_id;
  settings.templates["default"] = from.template_id;
  for (const auto& [name, definition] : config.templates) {
    settings.templates[name] = definition.e2b.empty() ? from.template_id : definition.e2b;
  }
  settings.bundle = installed->bundle;
  settings.port = static_cast<int>(from.port);
  settings.most = static_cast<int>(from.sandboxes);
  settings.creates_a_second =
      static_cast<double>(from.create_rate.count) / std::chrono::duration<double>(from.create_rate.per).count();
  settings.max_lifetime = from.max_lifetime;
  settings.auto_pause = from.auto_pause;
  return settings;
}

void adopt_environment(config::Config& config, const config::Config* before) {
  const bool taken = before != nullptr && before->secrets.contains(before->e2b.secret) &&
                     before->secrets.at(before->e2b.secret).variable == kKeyVariable;
  const char* key = std::getenv(kKeyVariable);
  if (!taken && (key == nullptr || *key == '\0')) return;
  config.e2b.enabled = true;
  if (config.secrets.contains(config.e2b.secret)) return;
  config.secrets[config.e2b.secret] = {.source = config::SecretSource::environment, .variable = kKeyVariable};
}

}  // namespace swarm::e2b
