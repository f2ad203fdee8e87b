#pragma once
// How the workflow engine acts on a swarm: agents in panes of its sandbox, commits and merges by its agentd, the branch
// of the user's repository.

#include "daemon/swarm/swarms.hpp"
#include "daemon/workflow/ports.hpp"

namespace swarm::swarms {

class Ports final : public workflow::Ports {
 public:
  explicit Ports(Swarms& swarms) : swarms_(swarms), tasks_(swarms.with().loop) {}

  async::Task<Result<void>> start_agent(workflow::StepKey key, workflow::StartAgent what) override;
  async::Task<Result<void>> stop_agent(workflow::StepKey key, std::string agent) override;
  async::Task<Result<void>> prompt(workflow::StepKey key, workflow::Prompt what) override;
  async::Task<Result<workflow::Change>> inspect(workflow::StepKey key, workflow::Inspect what) override;
  async::Task<Result<workflow::Merged>> merge(workflow::StepKey key, workflow::Merge what) override;
  async::Task<Result<workflow::TestRun>> test(workflow::StepKey key, workflow::Test what) override;
  async::Task<Result<workflow::Delivered>> deliver(workflow::StepKey key, workflow::Deliver what) override;
  void notify(workflow::Notice notice) override;

  /// What still goes on in the background ends.
  void stop() { tasks_.cancel_all(); }

 private:
  struct Reached {
    std::shared_ptr<Swarm> swarm;
    std::shared_ptr<wire::Connection> agentd;
  };
  /// Where changes are merged.
  async::Task<Result<Reached>> reach(workflow::StepKey key);
  /// Where an agent lives.
  async::Task<Result<Reached>> reach(workflow::StepKey key, std::string agent);
  async::Task<Result<Reached>> reach_at(std::shared_ptr<Swarm> swarm, std::string place);
  async::Task<> tell(std::string swarm, std::string sandbox, std::string type, std::string agent, std::string task,
                     Value data);

  Swarms& swarms_;
  async::TaskSet tasks_;  // last: its tasks use the rest
};

}  // namespace swarm::swarms
