#pragma once
// Watches the budgets and acts. An action is recorded, with its event, before it is carried out; one that was recorded
// and perhaps not carried out (a crash) is carried out again at the next start: what enforces must not mind.

#include "daemon/costs/budget.hpp"
#include "protocol/async/event.hpp"

namespace swarm::costs {

/// What shall be done now.
struct Action {
  Budget budget;
  Level level = Level::none;  ///< `none`: a new period has begun, or the budget was raised; all is allowed again
  std::string sentence;
};

class Budgets {
 public:
  /// Carries an action out: pauses or ends the sandboxes of `budget.swarm`, or lets them go on. On the loop.
  using Enforce = std::function<void(const Action&)>;

  Budgets(async::Loop& loop, store::Store& store, const Meter& meter, Enforce enforce)
      : loop_(loop), store_(store), meter_(meter), enforce_(std::move(enforce)), turn_(loop) {}
  Budgets(const Budgets&) = delete;
  Budgets& operator=(const Budgets&) = delete;

  /// Learns what stands, and carries out again what is in force.
  async::Task<Result<void>> recover();

  /// Compares what was spent with every budget and acts; everything whose threshold was reached before the call has
  /// been acted on when it completes.
  async::Task<Result<void>> tick();

  /// Adds or replaces, and looks at once. `invalid_argument` for thresholds that do not rise, and the like.
  async::Task<Result<Standing>> set(Budget budget);
  /// `not_found` when there is none.
  async::Task<Result<void>> remove(std::string name);
  async::Task<Result<std::vector<Standing>>> list();

  /// Whether new work may begin, or (`from` pause) what was paused may go on: `resource_exhausted` says which budget is
  /// used up, how far, and what to do.
  [[nodiscard]] Result<void> admit(const std::string& swarm, const std::string& agent, Level from = Level::stop) const;

  [[nodiscard]] bool any() const { return !standing_.empty(); }
  /// How often each level was reached, by its number.
  [[nodiscard]] const std::array<std::uint64_t, 5>& counters() const { return counters_; }

 private:
  async::Task<Result<void>> look();
  async::Task<Result<void>> act(Standing standing);

  async::Loop& loop_;
  store::Store& store_;
  const Meter& meter_;
  Enforce enforce_;
  async::Turn turn_;
  std::map<std::string, Standing> standing_;
  std::array<std::uint64_t, 5> counters_{};
};

/// "warn", "stop", "pause", "kill".
[[nodiscard]] std::string_view level_name(Level level);

}  // namespace swarm::costs
