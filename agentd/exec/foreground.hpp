#pragma once

#include "agentd/exec/execs.hpp"
#include "agentd/exec/pump.hpp"

namespace swarm::agentd {

/// A foreground exec that runs, with its streams. Destroying it ends the program and everything that it started.
class Foreground {
 public:
  Foreground(async::Loop& loop, std::shared_ptr<Exec> exec, std::chrono::milliseconds grace);
  Foreground(const Foreground&) = delete;
  Foreground& operator=(const Foreground&) = delete;
  ~Foreground();

  [[nodiscard]] const std::shared_ptr<Exec>& exec() const { return exec_; }

  /// Completes when the program and all that it started have ended, and all output was taken by the sinks, which are
  /// then ended. Await it once.
  async::Task<> finish();

 private:
  friend class Execs;

  async::Task<> give_input(std::unique_ptr<wire::ByteSource> from, UniqueFd to);
  void start_output(UniqueFd from, std::unique_ptr<wire::ByteSink> to, OutputPump::Kind kind, std::uint64_t& count);

  async::Loop& loop_;
  std::shared_ptr<Exec> exec_;  // shared with the table of execs
  std::chrono::milliseconds grace_;
  std::vector<std::unique_ptr<OutputPump>> pumps_;
  async::TaskSet inputs_;
  async::TaskSet outputs_;
};

}  // namespace swarm::agentd
