#pragma once

#include <sys/types.h>

#include <string>

#include "protocol/async/blocking.hpp"
#include "protocol/core/error.hpp"

namespace swarm::async {

/// The whole file; `resource_exhausted` above `max_bytes`.
Task<Result<std::string>> read_file(Loop& loop, std::string path, std::size_t max_bytes);

/// Whether a write must survive power loss before it is acknowledged.
enum class Sync { none, power };

/// Replaces the file in one step: a temporary file beside it, then rename. Readers see the old or the new content.
Task<Result<void>> write_file_atomic(Loop& loop, std::string path, std::string content, mode_t mode, Sync sync);

/// The blocking forms, for start-up and thread-pool jobs.
Result<std::string> read_file_now(const std::string& path, std::size_t max_bytes);
Result<void> write_file_atomic_now(const std::string& path, std::string_view content, mode_t mode, Sync sync);

}  // namespace swarm::async
