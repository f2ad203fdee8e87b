#pragma once
// What happened inside, kept until the daemon has fetched it: `agentd.events` waits for the next. The daemon writes it
// into its log, once, by the number and the instance of this agentd.

#include <deque>

#include "agentd/exec/execs.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

class Happenings {
 public:
  /// `instance` names this run of agentd. At most `most` are kept; then the oldest go.
  Happenings(async::Loop& loop, std::string instance, std::size_t most = 4096)
      : more_(loop), instance_(std::move(instance)), most_(most) {}

  void add(std::string_view type, Value data);

  /// Those behind `after`, some hundred at most; waits until there is one. What was asked behind is let go.
  async::Task<Result<api::AgentdEventsReply>> behind(std::int64_t after);

 private:
  async::Condition more_;
  std::string instance_;
  std::size_t most_;
  std::deque<api::AgentdEvent> kept_;
  std::int64_t last_ = 0;
};

/// Notes every start and end of a program.
void note_programs(Execs& execs, Happenings& happenings);

/// Serves `agentd.events` to the daemon.
void bind_happenings(wire::Router& router, Happenings& happenings);

}  // namespace swarm::agentd
