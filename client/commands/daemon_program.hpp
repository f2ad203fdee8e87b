#pragma once
// What only the daemon's own program knows, asked without a running daemon.

#include "client/context.hpp"
#include "protocol/async/process.hpp"

namespace swarm::client {

/// Runs `swarmd ARGUMENTS...` to its end.
async::Task<Result<async::CommandOutput>> run_daemon_program(Context& context, std::vector<std::string> arguments,
                                                             Duration patience);

}  // namespace swarm::client
