#pragma once
// The few steps on files that make a change of a database file survive a loss of power.

#include <string>

#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::store {

/// True for anything under that name.
bool file_exists(const std::string& path);

/// fsync of a file. Never of a database that this process has open: closing the descriptor drops its locks.
Result<void> sync_file(const std::string& path);

/// fsync of the directory that holds `path`, so that a new or renamed entry survives.
Result<void> sync_directory_of(const std::string& path);

/// Removes a file; one that is missing is fine.
Result<void> remove_file(const std::string& path);

Result<void> rename_file(const std::string& from, const std::string& to);

/// An exclusive lock on `path` (created, mode 0600), held until the descriptor closes. `failed_precondition` when
/// another process holds it.
Result<UniqueFd> lock_file(const std::string& path);

}  // namespace swarm::store
