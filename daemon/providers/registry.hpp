#pragma once

#include <memory>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/providers/provider.hpp"
#include "daemon/secrets/vault.hpp"
#include "protocol/async/loop.hpp"
#include "protocol/places/places.hpp"

namespace swarm::providers {

/// Every provider that the configuration enables. The vault outlives them: services' keys are in it. A new provider is
/// a folder here and a line in the body.
Result<std::vector<std::unique_ptr<Provider>>> make_providers(async::Loop& loop, const config::Config& config,
                                                              const Places& places, secrets::Vault& vault);

}  // namespace swarm::providers
