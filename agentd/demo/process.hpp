#pragma once

#include <string>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::demo {

/// How a program ended and what it printed.
struct Ran {
  int status = 0;   ///< its exit status; 128 and the number where a signal ended it
  std::string out;  ///< standard output
  std::string err;  ///< standard error
  [[nodiscard]] bool ok() const { return status == 0; }
};

/// Runs a program to its end in `directory` (empty: here). Fails only where it cannot be started.
Result<Ran> run(const std::vector<std::string>& argv, const std::string& directory = {}, const std::string& input = {});

/// The whole of a file; `not_found` and the like as the system says.
Result<std::string> read_file(const std::string& path);

/// Replaces a file, and makes the directories above it.
Result<void> write_file(const std::string& path, const std::string& content);

}  // namespace swarm::demo
