#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.hpp"

namespace swarm::config {

/// Two settings that are right by themselves and do not fit together. `key` is the one to change.
struct Conflict {
  std::string key;
  std::string message;
};

/// Everything that a single setting's check cannot see: names that refer to nothing, minima above maxima, secrets
/// without the setting that their source needs.
[[nodiscard]] std::vector<Conflict> conflicts(const Config& config);

}  // namespace swarm::config
