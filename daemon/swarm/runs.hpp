#pragma once

#include <optional>
#include <string>

#include "protocol/api/run.hpp"
#include "protocol/async/task.hpp"

namespace swarm::swarms {

/// What a swarm asks of the workflow engine.
class Runs {
 public:
  virtual ~Runs() = default;
  /// Begins a run for a swarm; where one is under way already, that one.
  virtual async::Task<Result<api::RunInfo>> start(std::string swarm, api::RunStartRequest request) = 0;
  /// The newest run of a swarm; nothing when there was none.
  virtual async::Task<Result<std::optional<api::RunInfo>>> newest(std::string swarm) = 0;
  virtual async::Task<Result<void>> pause(std::string run, std::string reason) = 0;
  virtual async::Task<Result<void>> resume(std::string run) = 0;
  virtual async::Task<Result<void>> cancel(std::string run, std::string reason) = 0;
  virtual async::Task<Result<void>> retry(std::string run) = 0;

  /// An agent is given up: its work is for others.
  virtual async::Task<Result<void>> agent_gone(std::string swarm, std::string agent, std::string why) = 0;
  /// One that was given up is back.
  virtual async::Task<Result<void>> agent_here(std::string swarm, api::RunAgent agent) = 0;
  /// The sandbox cannot be reached, or can be again: leases stand still meanwhile. Told again: nothing.
  virtual async::Task<Result<void>> offline(std::string swarm) = 0;
  virtual async::Task<Result<void>> online(std::string swarm) = 0;
  /// Waits until there is something for an agent, and names it; empty: the run is over.
  virtual async::Task<Result<std::string>> next_turn(std::string swarm, std::string agent) = 0;
};

}  // namespace swarm::swarms
