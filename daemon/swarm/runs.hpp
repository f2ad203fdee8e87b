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
};

}  // namespace swarm::swarms
