#pragma once

#include "daemon/daemon.hpp"
#include "daemon/options.hpp"

namespace swarm {

/// Runs the daemon until it is told to stop; gives the exit status. `parts` is for programs that put another daemon
/// together than the one that is shipped (tests).
int serve(const Options& options, Parts parts = {});

}  // namespace swarm
