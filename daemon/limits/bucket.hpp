#pragma once
// How fast something may go: GCRA (ITU-T I.371), in its form as a leaky bucket, in exact integers. Each admission of
// weight w raises the level by w; the level falls by `rate`; nothing is admitted that would raise it above `burst`. So,
// for every window of length L, what is admitted in it is at most
//
//     burst + floor(rate * L)
//
// whatever happens in between, also while the bucket is slowed down (it then falls more slowly).
//
// The level is counted in parts of 1 / (period in ns * 1000), and falls by count * thousandths of them each
// nanosecond: no rounding anywhere.

#include <cstdint>

#include "protocol/core/clock.hpp"
#include "protocol/core/int128.hpp"
#include "protocol/core/units.hpp"

namespace swarm::limits {

class Bucket {
 public:
  /// `rate.count` > 0, `rate.per` > 0, `burst` >= 1. Starts empty: the whole burst may be taken at once.
  Bucket(Rate rate, std::uint64_t burst, MonoTime now);

  /// Takes `weight` if that conforms now.
  bool admit(std::uint64_t weight, MonoTime now);

  /// When `weight` (at most `burst`) will conform, if nothing else is admitted before; never before `now`.
  [[nodiscard]] MonoTime when(std::uint64_t weight, MonoTime now) const;

  /// Undoes the last admission, of `weight`. Only right while no other has come after it.
  void give_back(std::uint64_t weight, MonoTime now);

  /// From now on goes at `thousandths` of its rate: 1 to 1000. What was taken stays taken.
  void slow_to(std::uint32_t thousandths, MonoTime now);

  /// Another rate and burst from now on. What was taken stays taken, counted in weight.
  void change(Rate rate, std::uint64_t burst, MonoTime now);

  /// Nothing can be taken before something has drained: the careful start where it is not known what was taken.
  void fill(MonoTime now);

  /// What has been taken and not drained, in millionths of a weight, rounded up: to keep over a restart.
  [[nodiscard]] std::uint64_t level_millionths(MonoTime now) const;
  void set_level_millionths(std::uint64_t level, MonoTime now);

  [[nodiscard]] std::uint64_t burst() const { return burst_; }
  /// True when the whole burst may be taken.
  [[nodiscard]] bool is_empty(MonoTime now) const { return level_at(now) == 0; }

 private:
  [[nodiscard]] Int128 cost(std::uint64_t weight) const { return static_cast<Int128>(weight) * period_ * 1000; }
  [[nodiscard]] Int128 level_at(MonoTime now) const;
  void drain(MonoTime now);

  Int128 count_;
  Int128 period_;  // nanoseconds
  std::uint64_t burst_;
  std::uint32_t thousandths_ = 1000;
  Int128 level_ = 0;
  MonoTime drained_;  // when level_ was right
};

}  // namespace swarm::limits
