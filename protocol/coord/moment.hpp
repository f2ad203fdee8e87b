#pragma once
// Time as leases and deadlines see it: microseconds that go on while the authority works and stand still while it is
// paused. So a pause moves every deadline by moving none.

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>

#include "protocol/core/clock.hpp"

namespace swarm::coord {

using Span = std::chrono::microseconds;

/// A point in lease time. Near UTC, behind it by the pauses; only differences mean something.
struct Moment {
  std::int64_t us = 0;
  auto operator<=>(const Moment&) const = default;
  Moment operator+(Span d) const { return {us + d.count()}; }
  Moment operator-(Span d) const { return {us - d.count()}; }
  Span operator-(Moment other) const { return Span(us - other.us); }
};

/// What of lease time is recorded.
struct TimeRecord {
  Moment last{};   ///< the latest moment at which something was decided
  Span paused{0};  ///< all pauses so far
};

/// Lease time out of a clock. It never goes back: not after a restart, nor when the wall clock is set. While the
/// authority does not run at all (a restart) it goes on, as far as the wall clock knows.
class LeaseClock {
 public:
  /// How late a timer that was due must be served for the authority to suspect that it was paused and not told yet.
  static constexpr Duration kLate = std::chrono::seconds(5);
  /// How long it then waits to be told, with time standing still.
  static constexpr Duration kHold = std::chrono::seconds(2);

  LeaseClock(const Clock& clock, TimeRecord record);

  [[nodiscard]] Moment now();

  /// The authority was paused this long, up to now.
  void resumed(Span paused);

  /// When the owner will next look at the clock at the latest. If it does not, a pause is suspected.
  void expect(std::optional<MonoTime> due) { due_ = due; }

  [[nodiscard]] Span paused() const { return paused_; }
  /// The UTC time that a moment has if no further pause comes.
  [[nodiscard]] WallTime wall(Moment moment) const { return {moment.us + paused_.count()}; }
  /// The clock's time at which `moment` comes if no further pause does.
  [[nodiscard]] MonoTime mono(Moment moment);

 private:
  [[nodiscard]] Moment running() const;

  const Clock& clock_;
  MonoTime anchor_mono_;
  Moment anchor_;
  Moment last_;
  Span paused_{0};
  std::optional<MonoTime> due_;
  std::optional<MonoTime> hold_until_;
  Moment held_{};
};

}  // namespace swarm::coord
