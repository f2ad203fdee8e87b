#pragma once

#include <sys/types.h>

#include "protocol/core/error.hpp"

namespace swarm::local {

/// Pause without a freezer: SIGSTOP to PID 1 of a sandbox and to everything below it, again and again until a round
/// finds nobody that still runs. A program can see that it was stopped, and one that forks fast enough can slip: such a
/// pause is labelled `sigstop`. `deadline_exceeded` when it does not come to rest.
Result<void> stop_processes(pid_t init);

/// The way back: SIGCONT to all of them.
Result<void> continue_processes(pid_t init);

}  // namespace swarm::local
