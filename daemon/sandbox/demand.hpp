#pragma once

#include <cstdint>
#include <string>

#include "protocol/core/clock.hpp"

namespace swarm::sandbox {

/// How many sandboxes a pool should hold ready, from what was asked of it lately and how long one takes to make:
/// enough for what will come while a new one is made, and a margin for chance.
///
///   target = clamp(ceil(rate * time + 2 * sqrt(rate * time)), min_ready, max_ready)
///
/// The rate is an exponentially weighted average of claims with a half-life of a minute, the time one of creations.
class Demand {
 public:
  static constexpr Duration kHalfLife = std::chrono::seconds(60);

  explicit Demand(const Clock& clock) : clock_(clock), last_(clock.now()) {}

  void claimed();
  void created(Duration took);

  /// Claims a second, now.
  [[nodiscard]] double rate() const;
  /// How long a creation takes, lately; 0 before the first.
  [[nodiscard]] Duration creation_time() const { return creation_; }

  [[nodiscard]] std::uint32_t target(std::uint32_t min_ready, std::uint32_t max_ready) const;
  /// The same in words: "0.5 claims a second, 1200 ms to make one: 3 ready (at least 1, at most 4)".
  [[nodiscard]] std::string explain(std::uint32_t min_ready, std::uint32_t max_ready) const;

 private:
  const Clock& clock_;
  MonoTime last_;
  double rate_ = 0;
  Duration creation_{0};
};

}  // namespace swarm::sandbox
