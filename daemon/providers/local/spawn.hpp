#pragma once
// Starting swarm-launch, whatever it is to do.

#include <initializer_list>
#include <utility>

#include "daemon/providers/local/process_ref.hpp"

namespace swarm::local {

struct Started {
  ProcessRef ref;
  UniqueFd pidfd;
};

/// Starts it in a session of its own, with /dev/null for standard input and exactly these descriptors, each as (number
/// in the child, ours). It is our child and not yet waited for, so its pid is its own.
Result<Started> start_launcher(const std::string& launcher, std::initializer_list<std::pair<int, int>> descriptors);

}  // namespace swarm::local
