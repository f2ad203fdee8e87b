#include "daemon/providers/registry.hpp"

#include "daemon/providers/e2b/provider.hpp"
#include "daemon/providers/local/provider.hpp"
#include "daemon/providers/local/setup.hpp"

namespace swarm::providers {

Result<std::vector<std::unique_ptr<Provider>>> make_providers(async::Loop& loop, const config::Config& config,
                                                              const Places& places, secrets::Vault& vault) {
  std::vector<std::unique_ptr<Provider>> made;
  if (config.local.enabled) {
    Result<local::Settings> settings = local::settings_from(config, places);
    if (!settings) return fail(settings.error(), "provider local");
    made.push_back(std::make_unique<local::LocalProvider>(loop, std::move(*settings)));
  }
  if (config.e2b.enabled) {
    Result<e2b::Settings> settings = e2b::settings_from(config, vault);
    if (!settings) return fail(settings.error(), "provider e2b");
    made.push_back(std::make_unique<e2b::E2bProvider>(loop, std::move(*settings)));
  }
  return made;
}

}  // namespace swarm::providers
