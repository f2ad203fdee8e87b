#pragma once

#include "agentd/cli/verb.hpp"

namespace swarm::cli {

/// The state of the caller's worktree below what was printed; nothing for a caller without one.
void print_worktree(const Invocation& call);

}  // namespace swarm::cli
