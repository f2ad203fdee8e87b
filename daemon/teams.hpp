#pragma once

#include "daemon/artifacts/artifacts.hpp"
#include "daemon/config/config.hpp"
#include "daemon/limits/limiters.hpp"
#include "daemon/model/gateway.hpp"
#include "daemon/ship/shipping.hpp"
#include "daemon/swarm/engine_runs.hpp"
#include "daemon/swarm/ports.hpp"
#include "daemon/swarm/swarms.hpp"
#include "daemon/team/authorities.hpp"
#include "daemon/team/homes.hpp"
#include "protocol/places/places.hpp"

namespace swarm {

/// Where swarms live, as their service knows it.
class SwarmHomes final : public team::Homes {
 public:
  explicit SwarmHomes(swarms::Swarms& swarms) : swarms_(swarms) {}
  [[nodiscard]] Result<team::Home> find(const std::optional<std::string>& what) const override;
  [[nodiscard]] std::optional<team::Home> of_sandbox(const std::string& sandbox) const override;

 private:
  swarms::Swarms& swarms_;
};

/// Swarms with what they stand on, put together: git on the host, the ports of the workflow engine, and the way out.
class Teams {
 public:
  struct Setup {
    async::Loop& loop;
    store::Store& store;
    Random& random;
    sandbox::Sandboxes& sandboxes;
    team::Authorities& authorities;
    const Places& places;
    costs::Meter& meter;
    secrets::Vault& vault;
    secrets::Redactor& redactor;
    limits::Limiters& limiters;
    const config::Config& config;
    std::function<void(const std::string& step, bool before)> watch_run;
  };
  explicit Teams(Setup setup);
  Teams(const Teams&) = delete;
  Teams& operator=(const Teams&) = delete;

  /// The tables that the store must have.
  [[nodiscard]] static std::array<store::Domain, 4> domains();

  /// Takes up what an earlier run of the daemon left. When sandboxes are recovered.
  async::Task<Result<void>> start();
  /// Stops working on swarms; their sandboxes and agents go on.
  void stop();

  /// What people do with swarms and their runs, and what agents call from inside.
  void add_methods(wire::Router& host, wire::Router& tunnel);

  [[nodiscard]] swarms::Swarms& swarms() { return swarms_; }
  [[nodiscard]] const team::Homes& homes() const { return homes_; }
  [[nodiscard]] workflow::Engine& engine() { return engine_; }

 private:
  git::Program git_;
  model::Gateway models_;
  swarms::Swarms swarms_;
  swarms::Ports ports_;
  workflow::Engine engine_;
  swarms::EngineRuns runs_;
  SwarmHomes homes_;
  ship::Shipping shipping_;
  artifacts::Artifacts artifacts_;
};

}  // namespace swarm
