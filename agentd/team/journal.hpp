#pragma once
// The log of a team on its way to the daemon. It is written with the change that it tells of (coord::Host), and kept
// until the daemon says that it has it: its place is its own to know, so either side may die at any moment.

#include "agentd/team/team.hpp"
#include "protocol/async/event.hpp"

namespace swarm::agentd {

/// Belongs to the loop's thread; the team must outlive it.
class Journal {
 public:
  Journal(async::Loop& loop, Team& team);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// The events behind `after`, some hundred and about 256 KiB at most; waits until there is one. Events up to `after`
  /// are let go. Dropping the task lets go what it was told to all the same.
  async::Task<Result<api::TeamLogReply>> behind(std::optional<std::int64_t> after);

 private:
  static async::Task<> let_go(store::Store* store, std::int64_t through);

  Team& team_;
  async::Condition more_;
  std::int64_t let_go_ = 0;
  async::TaskSet tasks_;
};

}  // namespace swarm::agentd
