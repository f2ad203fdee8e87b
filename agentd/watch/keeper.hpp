#pragma once
// Looks after the agents of a team: every few seconds at each one's pane, if it has written anything since. What is
// seen goes to the registry (a sign of life, what it does), to `StallWatch`, and to whoever asks for the agent; what
// that says is to be done is done here and written down with its outcome.
//
// Never answers a dialog, never types where a person types: panes/input.hpp sees to that for a nudge, and an interrupt
// is pressed only into a program that works.

#include <map>

#include "agentd/panes/panes.hpp"
#include "agentd/team/team.hpp"
#include "agentd/watch/stalls.hpp"
#include "protocol/async/event.hpp"

namespace swarm::agentd {

struct KeeperOptions {
  Duration every = std::chrono::seconds(10);
  /// A program that ended is gone after so long without a new start.
  Duration ended_after = std::chrono::seconds(30);
  std::size_t most_steps = 20;  ///< that are kept of each agent
};

/// Belongs to the loop's thread.
class Keeper {
 public:
  Keeper(async::Loop& loop, Team& team, panes::Panes& panes, KeeperOptions options = {});
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper();

  /// Begins to look; goes on until destroyed.
  void start();

  /// Adds what is known of its program to what is told of an agent. With `steps` what was done about its stalls too.
  enum class Steps { with, without };
  void add_to(api::AgentInfo& info, Steps steps) const;

 private:
  struct Watched {
    std::optional<StallWatch> watch;
    api::PaneState state = api::PaneState::unknown;
    std::optional<api::PaneState> told;  ///< in the registry
    std::set<std::size_t> lines;
    std::uint64_t log_end = 0;
    std::int64_t output_us = 0;
    std::int64_t started_us = 0;
    bool running = false;
    bool looked = false;  ///< at its screen, since it was started
    std::uint32_t restarts = 0;
    std::optional<MonoTime> ended;
    bool gone = false;
    bool busy = false;  ///< a step is being taken
    std::deque<api::AgentStalled> steps;
  };

  static async::Task<> keep(Keeper* self);
  async::Task<> look_at_all();
  async::Task<> look_at(api::PaneInfo pane, bool has_mail);
  async::Task<> look_at_ended(api::PaneInfo pane);
  async::Task<> tell_state(std::string agent, api::PaneState state);
  static async::Task<> climb(Keeper* self, std::string agent, StallStep step);
  async::Task<Result<void>> take(std::string agent, StallStep step);
  async::Task<Result<void>> nudge(std::string agent, StallStep step);
  async::Task<Result<void>> interrupt(std::string agent);
  async::Task<> write_down(std::string agent, api::AgentStalled step);
  void load_steps();
  [[nodiscard]] StallTimes times() const;
  [[nodiscard]] std::int64_t wall_us(MonoTime moment) const;

  async::Loop& loop_;
  Team& team_;
  panes::Panes& panes_;
  KeeperOptions options_;
  std::map<std::string, Watched> watched_;
  bool loaded_ = false;
  async::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace swarm::agentd
