#pragma once
// What there is to see of a swarm at one moment, for `swarmctl monitor`: on a screen, or as one line of JSON.

#include <deque>
#include <string>
#include <vector>

#include "client/connect.hpp"
#include "client/terminal/raw_mode.hpp"
#include "protocol/api/agent.hpp"
#include "protocol/api/costs.hpp"
#include "protocol/api/events.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/proposal.hpp"
#include "protocol/api/review.hpp"
#include "protocol/api/swarm.hpp"
#include "protocol/api/task.hpp"

namespace swarm::client {

struct Sight {
  api::SwarmInfo swarm;
  std::vector<api::TaskInfo> tasks;
  std::vector<api::ReviewInfo> reviews;
  std::vector<api::ProposalInfo> proposals;
  std::vector<api::AgentInfo> agents;  ///< of the registry; empty while the swarm's sandbox does not answer
  api::LockListReply locks;
  api::CostLine cost;
  std::deque<std::string> lines;  ///< what happened last
};

/// Looks at everything anew; what is inside the sandbox is left out while it does not answer.
async::Task<Result<void>> look(Client& client, Sight& sight);

/// A line for what agents say to each other and hold, and for stalls; empty for other events.
std::string talk_line(const api::Event& event);

/// As many lines as the terminal has; what is over is left out first.
std::string drawn(Context& context, const Sight& sight, const TerminalSize& size);

/// The same as data.
Value snapshot(const Sight& sight, WallTime now);

}  // namespace swarm::client
