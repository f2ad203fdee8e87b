#pragma once

#include <string>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::local {

/// Whether a program sees our environment.
enum class Environment { none, ours };

/// What a short program printed and how it ended.
struct CommandResult {
  int status = -1;  ///< exit status, 128 + signal, or -1 when it could not be started
  std::string out;
  std::string err;  ///< also the reason when it could not be started
};

/// Runs a program to its end, without a shell, with /dev/null as input; argv[0] is looked up in PATH when it has no
/// slash. Keeps the first megabytes of what it prints. Blocking: for jobs on the thread pool.
CommandResult run_to_end(std::vector<std::string> words, Environment environment);

}  // namespace swarm::local
