#pragma once
// What the far end of a network may count. It counts requests when they arrive, and they arrive up to `guard` later
// than they were sent; so that it never sees more than `most` of them in any span of `per`, one that was sent counts
// until it must have arrived and `per` has passed. An answer proves that its request has arrived, so after it the
// guard is waited for no longer: with quick answers the full rate is reached, and only with none is `per + guard` the
// span.
//
//   sent ......... arrives at the latest (guard), or answered ......... does not count any more
//    |<---------------- guard at most ------------>|<------- per -------->|

#include <map>
#include <set>

#include "protocol/core/clock.hpp"

namespace swarm::limits {

class Window {
 public:
  Window() = default;
  Window(std::uint64_t most, Duration per, Duration guard) : most_(most), per_(per), guard_(guard) {}

  /// When `weight` (at most `most`) may be sent if nothing else is; never before `now`.
  [[nodiscard]] MonoTime when(std::uint64_t weight, MonoTime now) const;
  /// It is being sent.
  void sent(std::uint64_t admission, std::uint64_t weight, MonoTime now);
  /// It was answered: it has arrived.
  void answered(std::uint64_t admission, MonoTime now);
  /// It was not sent after all.
  void give_back(std::uint64_t admission);
  /// Nobody knows what was sent: as if all had been, just now.
  void fill(MonoTime now);
  /// So much of what `fill` has put in may be sent after all.
  void spare(std::uint64_t weight);
  /// What `fill` has put in still counts.
  [[nodiscard]] bool is_filled(MonoTime now) const;
  /// Other limits from now on; what was sent stays sent.
  void change(std::uint64_t most, Duration per, Duration guard);

  /// Nothing counts any more.
  [[nodiscard]] bool is_empty(MonoTime now) const { return by_time_.empty() || by_time_.rbegin()->first + per_ <= now; }

 private:
  struct Sent {
    MonoTime arrives;  ///< at the latest
    std::uint64_t weight = 0;
  };
  void forget(MonoTime now);

  std::uint64_t most_ = 0;  ///< 0: no window
  Duration per_{0};
  Duration guard_{0};
  std::map<std::uint64_t, Sent> sent_;                    // by admission
  std::set<std::pair<MonoTime, std::uint64_t>> by_time_;  // (arrives, admission)
  std::uint64_t total_ = 0;                               // of the weights
};

}  // namespace swarm::limits
