#pragma once

#include "daemon/config/config.hpp"
#include "daemon/providers/local/sandbox.hpp"
#include "protocol/places/places.hpp"

namespace swarm::local {

/// Where the files lie that swarmd brings along. Installed: `<prefix>/lib/swarmd/`; in a build tree: beside the
/// programs.
struct Installation {
  std::filesystem::path launcher;  ///< swarm-launch
  std::filesystem::path bundle;    ///< agentd with its libraries
};

/// Looks beside `program` (our own executable). `failed_precondition` names what is missing and where it was looked
/// for.
Result<Installation> find_installation(const std::filesystem::path& program);

/// This provider's settings out of the daemon's configuration and places.
Result<Settings> settings_from(const config::Config& config, const Places& places);

}  // namespace swarm::local
