#pragma once

#include "protocol/core/clock.hpp"
#include "protocol/core/random.hpp"

namespace swarm::wire {

struct BackoffOptions {
  Duration first = std::chrono::milliseconds(20);
  Duration most = std::chrono::seconds(10);
};

/// Pauses between tries: each up to twice the one before, and each at random in the upper half of its range, so that
/// many that broke together do not come back together.
class Backoff {
 public:
  Backoff(const BackoffOptions& options, Random& random) : options_(options), random_(random), next_(options.first) {}

  Duration next() {
    const Duration range = next_;
    next_ = std::min(options_.most, next_ * 2);
    const auto half = static_cast<std::uint64_t>(range.count() / 2);
    return range - Duration{static_cast<Duration::rep>(random_.below(half + 1))};
  }
  void reset() { next_ = options_.first; }

 private:
  BackoffOptions options_;
  Random& random_;
  Duration next_;
};

}  // namespace swarm::wire
