#pragma once
// What happens in teams, fetched from the agentd that is each swarm's authority and written into the daemon's log, each
// event once:
//
//   agentd's log --team.log {after}--> decoded, of known types only --one transaction--> events + the number reached
//        ^                                                                                        |
//        '----------- lets go of events up to `after` <----------- the next call says it <--------'
//
// The number reached is recorded with the events (`store::EventOrigin`), so a daemon that was killed in between asks
// again from where it is. A sandbox is believed in what it says of its own team and nothing else: swarm and sandbox of
// an event are the daemon's word, its data is what the type has.

#include <map>

#include "daemon/team/homes.hpp"
#include "protocol/api/team.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/store/store.hpp"
#include "protocol/wire/connection.hpp"

namespace swarm::team {

/// An event of a team as it is recorded, and what a person is told besides.
struct Entry {
  store::NewEvent event;
  std::optional<store::NewEvent> notice{};
};

/// Those of types that a team has, as of this swarm, with the data that the type has. Anything else is left out.
std::vector<Entry> checked_entries(api::TeamLogReply reply, const std::string& sandbox, const std::string& swarm);

/// What a person is told when this happens in a team; nothing for most of what happens.
std::optional<store::NewEvent> notice_for(api::TeamLogEvent happened, const std::string& swarm);

/// Belongs to the loop's thread.
class Chronicle {
 public:
  /// All must outlive it.
  Chronicle(async::Loop& loop, store::Store& store, const Homes& homes);
  Chronicle(const Chronicle&) = delete;
  Chronicle& operator=(const Chronicle&) = delete;
  ~Chronicle();

  /// Follows the team of this sandbox for as long as the connection lives.
  void follow(std::string sandbox, std::shared_ptr<wire::Connection> connection);

 private:
  static async::Task<> fetch(Chronicle* self, std::string sandbox, std::shared_ptr<wire::Connection> connection);
  async::Task<Result<void>> record(std::vector<Entry> entries);

  async::Loop& loop_;
  store::Store& store_;
  const Homes& homes_;
  async::TaskSet tasks_;
};

}  // namespace swarm::team
