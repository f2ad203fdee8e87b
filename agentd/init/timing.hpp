#pragma once
// The two clocks of init, as plain arithmetic so that tests decide what time it is.

#include <algorithm>
#include <chrono>
#include <optional>

namespace swarm::agentd {

using Millis = std::chrono::milliseconds;

/// The dead-man's timer: how long the sandbox may live unless somebody extends it. Time is counted in slices, and one
/// slice never counts for more than its own length: after hours in the freezer the sandbox has lost a slice, not its
/// life.
class Lease {
 public:
  /// Starts with `left`, or without an end. `now` is any monotonic time.
  explicit Lease(std::optional<Millis> left, Millis now) : left_(left), last_(now) {}

  /// Replaces what is left.
  void set(Millis left, Millis now) {
    left_ = left;
    last_ = now;
  }

  /// Counts the time since the last call. Call it at least every `slice()`.
  void tick(Millis now) {
    if (left_) *left_ -= std::min(now - last_, slice() + kSlack);
    last_ = now;
  }

  /// When to call `tick` next; none for a lease without an end.
  [[nodiscard]] std::optional<Millis> wake_in() const {
    if (!left_) return std::nullopt;
    return std::clamp(*left_, Millis(0), slice());
  }

  [[nodiscard]] bool expired() const { return left_ && *left_ <= Millis(0); }

 private:
  static constexpr Millis kSlack{500};
  [[nodiscard]] Millis slice() const { return std::clamp(*left_ / 8, Millis(200), Millis(30'000)); }

  std::optional<Millis> left_;
  Millis last_;
};

/// How long to wait before agentd is started again: 100 ms, doubled up to 10 s while it keeps dying young.
class Backoff {
 public:
  /// The delay after a life of `lived`.
  Millis next(Millis lived) {
    if (lived >= kHealthy) delay_ = kFirst;
    const Millis result = delay_;
    delay_ = std::min(delay_ * 2, kMost);
    return result;
  }

 private:
  static constexpr Millis kFirst{100};
  static constexpr Millis kMost{10'000};
  static constexpr Millis kHealthy{30'000};
  Millis delay_ = kFirst;
};

}  // namespace swarm::agentd
