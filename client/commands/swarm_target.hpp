#pragma once
// Which swarm a command is for: by a word, or by its sandbox.

#include <string>

#include "client/connect.hpp"
#include "protocol/api/swarm.hpp"

namespace CLI {
class App;
}

namespace swarm::client {

struct SwarmTarget {
  std::string swarm;    ///< empty: the only one
  std::string sandbox;  ///< instead
};

/// The argument SWARM and the option --sandbox-id.
void add_swarm_target(CLI::App& command, SwarmTarget& target);

/// Finds it. `not_found` says which there are.
async::Task<Result<api::SwarmInfo>> find_swarm(Client& client, SwarmTarget target);

/// A request for one swarm.
template <class T>
api::InSwarm<T> in_swarm(const std::string& swarm, T request = {}) {
  api::InSwarm<T> made;
  static_cast<T&>(made) = std::move(request);
  if (!swarm.empty()) made.swarm = swarm;
  return made;
}

}  // namespace swarm::client
