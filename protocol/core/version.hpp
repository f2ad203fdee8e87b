#pragma once

#include <string_view>

namespace swarm {

/// The version of these programs, from CMake's project().
inline constexpr std::string_view kVersion = SWARM_VERSION;
inline constexpr int kVersionMajor = SWARM_VERSION_MAJOR;
inline constexpr int kVersionMinor = SWARM_VERSION_MINOR;
inline constexpr int kVersionPatch = SWARM_VERSION_PATCH;

}  // namespace swarm
