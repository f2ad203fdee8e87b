#pragma once
// Time is handed in, so that tests decide what time it is.

#include <chrono>
#include <cstdint>

namespace swarm {

using Duration = std::chrono::nanoseconds;

/// A point on the monotonic clock. Only differences mean something; never stored across a boot.
struct MonoTime {
  Duration since_boot{0};
  auto operator<=>(const MonoTime&) const = default;
  MonoTime operator+(Duration d) const { return {since_boot + d}; }
  MonoTime operator-(Duration d) const { return {since_boot - d}; }
  Duration operator-(MonoTime other) const { return since_boot - other.since_boot; }
};

/// Microseconds since the Unix epoch, UTC: what the wire calls `..._us`.
struct WallTime {
  std::int64_t us = 0;
  auto operator<=>(const WallTime&) const = default;
};

/// Where both kinds of time come from.
class Clock {
 public:
  virtual ~Clock() = default;
  /// CLOCK_BOOTTIME in the real one: it goes on while the machine sleeps, as leases and bills must.
  [[nodiscard]] virtual MonoTime now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

/// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() const override;
  [[nodiscard]] WallTime wall() const override;
};

/// A clock that stands still until a test moves it.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() const override { return now_; }
  [[nodiscard]] WallTime wall() const override { return wall_; }
  /// Moves both clocks forward.
  void advance(Duration d);
  /// Lets only the wall clock jump, as an administrator or NTP would.
  void jump_wall(std::chrono::microseconds d) { wall_.us += d.count(); }

 private:
  MonoTime now_{std::chrono::hours(1)};
  WallTime wall_{1'800'000'000'000'000};
};

}  // namespace swarm
