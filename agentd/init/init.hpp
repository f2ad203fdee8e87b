#pragma once
// PID 1 of a sandbox that we start ourselves. It outlives agentd: it holds the tunnel's listening socket and the
// secret, starts agentd with both, starts it again when it dies, reaps every orphan, and ends the sandbox when it is
// told to or when nobody has extended the lease. One thread, no library but the C library: when PID 1 dies, everything
// dies.

#include <optional>
#include <string>
#include <vector>

#include "agentd/init/timing.hpp"

namespace swarm::agentd {

/// What init is started with.
struct InitOptions {
  std::vector<std::string> argv;  ///< agentd: an absolute path and its arguments
  std::optional<Millis> lease;    ///< how long the sandbox lives if agentd never says anything
  Millis grace{5000};             ///< between telling agentd to stop and the end
  std::optional<int> ready_fd;    ///< gets one byte when agentd was started for the first time, then it is closed
  std::optional<std::uint64_t> processes;  ///< RLIMIT_NPROC: so many for each uid of the sandbox
  std::string log_path;                    ///< empty: standard output and error stay what they are
};

/// Reads `--lease-ms N --grace-ms N --processes N --ready-fd N --log PATH -- PROGRAM ARGS...`. On a mistake returns a
/// sentence in `error`.
InitOptions parse_init_options(const std::vector<std::string>& words, std::string& error);

/// Runs until the sandbox is to end; returns the exit status: 0 for an end that was asked for, 3 for an expired lease,
/// 2 if it could not begin. Must be called by a process with one thread.
int run_init(const InitOptions& options);

}  // namespace swarm::agentd
