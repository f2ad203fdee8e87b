#pragma once

#include <string>
#include <vector>

#include "client/context.hpp"
#include "protocol/async/task.hpp"

namespace swarm::client {

struct StartOptions {
  std::string config;  ///< --config of the daemon; empty: its default
  Duration patience = std::chrono::seconds(15);
};

struct Started {
  bool already = false;  ///< one ran before, or another client was faster
  std::uint32_t pid = 0;
  std::string socket;
};

/// Where the daemon's program is: $SWARMD_BIN, beside this program, or in $PATH.
Result<std::string> find_daemon_program(const Context& context);

/// Starts the daemon in the background, in a session of its own, and waits until it answers. When it ends before,
/// the error carries what it said.
async::Task<Result<Started>> start_daemon(Context& context, StartOptions options);

}  // namespace swarm::client
