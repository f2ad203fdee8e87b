#pragma once

#include <string>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::agentd {

/// How `agentd run` is started. Nothing secret: every program of the sandbox can read it.
struct RunOptions {
  std::string sandbox;               ///< its id; both ends of the tunnel must know the same
  std::string state = "/run/swarm";  ///< for sockets and records; made when missing
  std::string shim = "/opt/swarm/bin/swarm-shim";
  std::string workspace = "/workspace";
  std::string store = "/root/.swarm";     ///< for what must survive agentd and is no agent's to fill or read
  std::string etc = "/etc";               ///< with passwd and group
  std::string homes = "/home";            ///< where agents' homes are made
  std::uint64_t listen = 0;               ///< TCP port for tunnels as WebSockets; 0: init hands a socket over
  std::string secret_file;                ///< where the tunnel's secret is then: ours alone to read
  std::uint64_t spool_bytes = 1U << 20U;  ///< of each output of a background program
};

/// Reads `--sandbox ID --state DIR --shim PATH --workspace DIR --store DIR --etc DIR --homes DIR
/// --listen PORT --secret-file PATH --spool-bytes N`. `invalid_argument` names the mistake.
Result<RunOptions> parse_run_options(const std::vector<std::string>& words);

}  // namespace swarm::agentd
