#pragma once

#include <string>

#include "protocol/api/exec.hpp"
#include "protocol/core/exit_status.hpp"

namespace swarm::client {

// `swarmctl help exit-codes` documents them.
inline constexpr int kExitOurs = 125;        ///< exec, shell, attach: we failed, not the program
inline constexpr int kExitNotInvoked = 126;  ///< the program is there and cannot be run
inline constexpr int kExitNoProgram = 127;   ///< there is no such program
inline constexpr int kExitSignal = 128;      ///< and the signal's number

/// Of a command that failed with this.
int exit_of(const Error& error);

/// Of a command that runs a program: the program's own, or 128 and the signal. 125 when nobody knows how it ended.
int exit_of(const api::ExecStatus& status);

/// The text of `swarmctl help exit-codes`.
std::string exit_codes_page();

}  // namespace swarm::client
