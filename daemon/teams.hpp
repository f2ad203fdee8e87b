#pragma once

#include "daemon/swarm/ports.hpp"
#include "daemon/swarm/swarms.hpp"
#include "protocol/places/places.hpp"

namespace swarm {

/// Swarms with what they stand on, put together: git on the host and the ports of the workflow engine.
class Teams {
 public:
  Teams(async::Loop& loop, store::Store& store, Random& random, sandbox::Sandboxes& sandboxes, const Places& places);
  Teams(const Teams&) = delete;
  Teams& operator=(const Teams&) = delete;

  /// The tables that the store must have.
  [[nodiscard]] static std::array<store::Domain, 1> domains();

  /// Takes up what an earlier run of the daemon left. When sandboxes are recovered.
  async::Task<Result<void>> start();
  /// Stops working on swarms; their sandboxes and agents go on.
  void stop();

  void add_methods(wire::Router& router);

  [[nodiscard]] swarms::Swarms& swarms() { return swarms_; }

 private:
  git::Program git_;
  swarms::Swarms swarms_;
  swarms::Ports ports_;
};

}  // namespace swarm
