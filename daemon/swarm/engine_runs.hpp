#pragma once

#include "daemon/swarm/runs.hpp"
#include "daemon/workflow/engine.hpp"

namespace swarm::swarms {

/// The workflow engine, as swarms ask it.
class EngineRuns final : public Runs {
 public:
  explicit EngineRuns(workflow::Engine& engine) : engine_(engine) {}

  async::Task<Result<api::RunInfo>> start(std::string swarm, api::RunStartRequest request) override;
  async::Task<Result<std::optional<api::RunInfo>>> newest(std::string swarm) override;
  async::Task<Result<void>> pause(std::string run, std::string reason) override;
  async::Task<Result<void>> resume(std::string run) override;
  async::Task<Result<void>> cancel(std::string run, std::string reason) override;
  async::Task<Result<void>> retry(std::string run) override;
  async::Task<Result<void>> agent_gone(std::string swarm, std::string agent, std::string why) override;
  async::Task<Result<void>> agent_here(std::string swarm, api::RunAgent agent) override;
  async::Task<Result<void>> offline(std::string swarm) override;
  async::Task<Result<void>> online(std::string swarm) override;
  async::Task<Result<std::string>> next_turn(std::string swarm, std::string agent) override;

 private:
  workflow::Engine& engine_;
};

}  // namespace swarm::swarms
