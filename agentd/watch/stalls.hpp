#pragma once
// Whether an agent goes on, and what is done when it does not. Pure: looks and times go in, steps come out.
//
//   kind            told by                                                     ladder
//   asleep          waits for input, has mail, does not take it                 nudge, restart, replace, human
//   silent          works, and nothing new shows and no call comes              nudge, interrupt, restart, replace,
//   human looping         its screen goes round through what it showed before         interrupt, nudge, restart,
//   replace, human dialog          asks for a permission: never answered for it                human logged_out      no
//   credentials, or no credit                                human rate_limited    parked until its provider lets it go
//   on; long               human
//
// A rung is climbed when the one before has not helped within `rung`. Whatever is new ends the stall. A screen says
// what it likes, so nothing is concluded from its words but through the rules of its kind (panes/recogniser.hpp): what
// counts here is whether it changes.

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/api/agent.hpp"
#include "protocol/api/pane_types.hpp"
#include "protocol/core/clock.hpp"

namespace swarm::agentd {

using api::StallKind;
using api::StallRung;

struct StallTimes {
  Duration asleep = std::chrono::minutes(3);
  Duration silent = std::chrono::minutes(10);
  Duration dialog = std::chrono::minutes(1);
  Duration logged_out = std::chrono::seconds(30);
  Duration rate_limited = std::chrono::hours(1);
  /// How long a rung has to help.
  Duration rung = std::chrono::minutes(2);
};

/// One look at an agent.
struct Sight {
  api::PaneState state = api::PaneState::unknown;
  /// The lines of its screen, as `line_marks` has them.
  std::set<std::size_t> lines{};
  bool has_mail = false;
  MonoTime heard{};         ///< its last call
  bool driven = false;      ///< how it is talked to is known; else it is watched only
  bool can_resume = false;  ///< it can be started so that it goes on with its conversation
};

/// What is done next, and what was seen that calls for it.
struct StallStep {
  StallKind kind = StallKind::unknown;
  StallRung rung = StallRung::unknown;
  std::string seen;
  bool operator==(const StallStep&) const = default;
};

/// Marks of the lines of a screen by which it is told whether it shows something new: letters only, since clocks,
/// counters and spinners turn without end. Lines with next to nothing have none.
std::set<std::size_t> line_marks(const std::string& screen);

/// Follows one agent.
class StallWatch {
 public:
  StallWatch(StallTimes times, MonoTime now) : times_(times), progress_(now), since_(now) {}

  /// The next step where one is due.
  std::optional<StallStep> look(const Sight& sight, MonoTime now);

  /// What it is in now; nothing: it goes on.
  [[nodiscard]] std::optional<StallKind> stall() const { return stall_; }
  [[nodiscard]] MonoTime stalled_since() const { return stalled_since_; }

 private:
  void note(const Sight& sight, MonoTime now);
  [[nodiscard]] std::optional<StallKind> judge(const Sight& sight, MonoTime now) const;
  [[nodiscard]] bool looping() const;
  [[nodiscard]] std::string words(StallKind kind, MonoTime now) const;

  StallTimes times_;
  MonoTime progress_;  ///< when something new was last seen of it
  MonoTime since_;     ///< when it came into its state
  MonoTime heard_{};
  std::optional<MonoTime> mail_since_;
  api::PaneState state_ = api::PaneState::unknown;
  std::set<std::size_t> lines_;
  std::deque<std::size_t> screens_;  ///< the last ones that differed
  std::deque<bool> returns_;         ///< which of them had been there before
  std::optional<StallKind> stall_;
  StallRung rung_ = StallRung::unknown;
  MonoTime stalled_since_{};
  MonoTime climbed_{};
};

}  // namespace swarm::agentd
