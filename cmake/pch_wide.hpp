#pragma once
// What most files include, ours among it, for builds from nothing (SWARM_WIDE_PCH). A header belongs here when it makes
// such a build faster, measured; CLI11 and nlohmann/json make it slower, since every file then carries their parts.
// fmt cannot: the static programs take it as headers alone.
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "cmake/pch.hpp"
#include "protocol/store/store.hpp"
#include "protocol/wire/router.hpp"
