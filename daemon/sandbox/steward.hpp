#pragma once
// Who is asked before something that costs is begun, and told of every step inside the transaction that records it. The
// lifecycle knows nothing of money or rates; whoever implements this does.
//
// A step carries what is known of its time. What was asked of a provider happened between the question and the answer;
// what was only found happened after the sandbox was last known to be there.

#include <functional>

#include "daemon/sandbox/record.hpp"
#include "daemon/sandbox/state.hpp"
#include "protocol/async/task.hpp"

namespace swarm::sandbox {

/// Now, on both clocks.
struct Instant {
  WallTime wall;
  MonoTime mono;
};

/// So long before that.
[[nodiscard]] inline Instant before(Instant at, Duration by) {
  return {.wall = {at.wall.us - std::chrono::duration_cast<std::chrono::microseconds>(by).count()},
          .mono = at.mono - by};
}

[[nodiscard]] inline Instant later(Instant one, const std::optional<Instant>& other) {
  return other && other->mono > one.mono ? *other : one;
}
[[nodiscard]] inline std::optional<Instant> later(const std::optional<Instant>& one,
                                                  const std::optional<Instant>& other) {
  return one ? later(*one, other) : other;
}

/// What is known of the time of a step.
struct When {
  std::optional<Instant> not_before;  ///< it happened between then and `at`
  bool found = false;                 ///< it was seen afterwards, and nobody knows since when
  std::optional<WallTime> ended;      ///< as the provider says
  std::optional<Instant> at{};        ///< it had happened by then; else by the time that it is recorded
  bool perhaps = false;               ///< nobody knows whether it came about
  std::optional<Duration> late{};     ///< so late an earlier run would have told of it; else as the provider tells ends
};

/// A step in the life of a sandbox, as it is being recorded.
struct Step {
  Record record;  ///< as it will stand; `info.state` is where the step leads
  Instant at;
  When when;
  bool existed = true;        ///< towards its end: whether the provider has it, or ever had it
  bool bills_paused = false;  ///< the provider charges while it is paused
  Duration late{0};           ///< how late what is `found` would have been told, had it been so in an earlier run
  std::optional<WallTime> provider_started;
};

/// Leave to ask a provider for one sandbox. Call it with the answer.
using Leave = std::function<void(const providers::CreateOutcome&)>;

/// Who wants to create.
struct Turn {
  std::string provider;
  std::string swarm;    ///< empty: none
  bool refill = false;  ///< nobody waits for it: everybody else goes first
  MonoTime deadline;
};

class Steward {
 public:
  virtual ~Steward() = default;

  /// Whether new work may begin: `resource_exhausted` says what is used up. On the loop.
  [[nodiscard]] virtual Result<void> admit(const std::string& swarm) const = 0;
  /// Whether what was held may go on.
  [[nodiscard]] virtual Result<void> admit_again(const std::string& swarm) const = 0;

  /// Waits for the provider's rate. `deadline_exceeded` and `resource_exhausted` (too many wait) say for what.
  virtual async::Task<Result<Leave>> leave_to_create(Turn turn) = 0;

  /// On the writer's thread, in the step's transaction; a failure undoes the step.
  virtual Result<void> stepped(store::Changes& changes, const Step& step) = 0;

  /// Sandboxes that were told to begin and not to end.
  [[nodiscard]] virtual Result<std::vector<std::string>> open(store::Database& db) const = 0;
};

}  // namespace swarm::sandbox
