#pragma once
// What there is to see of a swarm at one moment, for `swarmctl monitor`: on a screen, as lines, or as JSON.

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

/// What of it is to be looked at again.
struct Parts {
  bool swarm = false;
  bool agents = false;
  bool locks = false;
  bool work = false;  ///< tasks, reviews, votes
  bool cost = false;
  Parts& operator|=(const Parts& other);
  [[nodiscard]] bool any() const { return swarm || agents || locks || work || cost; }
  static Parts all() { return {.swarm = true, .agents = true, .locks = true, .work = true, .cost = true}; }
};

/// What an event may have changed.
Parts parts_of(const api::Event& event);

/// Looks at these parts anew; what is inside the sandbox is left out while it does not answer.
async::Task<Result<void>> look(Client& client, Sight& sight, Parts parts);

/// A line for what agents say to each other, for stalls and for locks that were taken away; empty for other events.
std::string talk_line(const api::Event& event);

/// A line for what happens too often for a screen: locks that come and go, and what agents do.
std::string detail_line(const api::Event& event);

/// The same as data.
Value snapshot(const Sight& sight, WallTime now);

}  // namespace swarm::client
