#pragma once
// Calls of agents that the daemon answers: tasks, reviews, proposals, questions to people. They go up the tunnel as
// they came, with the agent that the kernel says calls.

#include <map>

#include "agentd/rpc/team.hpp"

namespace swarm::agentd {

/// The tunnel to the daemon, as far as there is one; outlives the router.
class Upward {
 public:
  explicit Upward(async::Loop& loop) : loop_(loop), came_up_(loop) {}

  /// While a tunnel stands its connection is used. The newest of several counts.
  void stands(const std::shared_ptr<wire::Connection>& connection);

  /// Calls the daemon; again where the tunnel is cut before the answer, so a method that changes something needs its
  /// `idempotency_key`. With the tunnel down this waits a while, then it is `unavailable`.
  async::Task<Result<Value>> call(std::string method, Value params);

  /// The tunnel's connection, for a call that has a stream beside it and so cannot be asked again. Waits as `call`.
  async::Task<Result<std::shared_ptr<wire::Connection>>> reached(std::string method);

  /// Held by a call of this agent as long as it has a stream through the tunnel. `resource_exhausted` when it has too
  /// many already.
  Result<std::shared_ptr<void>> place_for_content(const std::string& agent);

 private:
  async::Task<Result<std::shared_ptr<wire::Connection>>> connection();

  async::Loop& loop_;
  async::Condition came_up_;
  std::weak_ptr<wire::Connection> connection_;
  std::multimap<std::string, std::weak_ptr<void>> contents_;  // by agent
};

/// Serves every method of artifacts, tasks, reviews, proposals and questions that is for agents, by passing it on.
void bind_upward(wire::Router& router, TeamService& service, Upward& upward);

}  // namespace swarm::agentd
