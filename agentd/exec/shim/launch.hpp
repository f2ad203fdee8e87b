#pragma once

#include <sys/types.h>

#include <vector>

#include "agentd/exec/shim/protocol.hpp"

namespace swarm::agentd::shim {

/// A request as it lies in the mapped memory file: the pointers point into it.
struct Program {
  const Request* request = nullptr;
  const char* cwd = nullptr;
  std::vector<char*> argv;  ///< ends with null
  std::vector<char*> env;   ///< ends with null
};

/// Maps the request. False when it is not one that this version understands.
bool read_request(int fd, Program& program);

/// Why a program could not be started.
struct Failure {
  Stage stage = Stage::none;
  int error = 0;
};

/// Starts the program on descriptors 0-2, in a process group of its own (a session where there is a terminal), and
/// waits until it has really begun (or could not: `failure`). Every other descriptor must be CLOEXEC. All signals must
/// be blocked.
pid_t launch(const Program& program, Failure& failure);

}  // namespace swarm::agentd::shim
