#pragma once

#include "agentd/exec/execs.hpp"
#include "agentd/exec/users.hpp"
#include "protocol/api/exec.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// What requests leave open is decided by these.
struct ExecDefaults {
  std::vector<std::string> environment;  ///< the sandbox's own, which programs start with
  std::string workspace;                 ///< working directory; where it is missing, the user's home
};

/// Everything that the exec methods work with; outlives the router.
struct ExecService {
  async::Loop& loop;
  Execs& execs;
  const Users& users;
  ExecDefaults defaults;
};

/// Serves `exec.*` to the daemon.
void bind_exec(wire::Router& router, ExecService& service);

/// The wire form of how a program is doing.
api::ExecStatus exec_status(const Exec& exec);

/// A signal by name or number: "INT", "SIGINT", "int", "2". `invalid_argument` for another.
Result<int> parse_signal(std::string_view text);

}  // namespace swarm::agentd
