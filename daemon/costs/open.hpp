#pragma once
// What the meter keeps of a sandbox between its steps: a row of cost_open. Private to the meter.

#include "daemon/costs/meter.hpp"

namespace swarm::costs {

/// Whether a sandbox costs. The numbers are stored.
enum class Phase : std::uint8_t {
  pending = 0,  ///< asked for; the provider may or may not have it
  running = 1,
  resting = 2,  ///< paused where that is free
  ending = 3,   ///< may have ended: it was asked to, or is not listed any more
  halting = 4,  ///< may stand still: the provider was asked for a pause, and nobody knows whether it came about
  waking = 5,   ///< may run: the provider was asked to let it go on, and nobody knows whether it did
  ended = 6,    ///< for certain; the record of its end follows
};

struct Meter::Open {
  std::string sandbox;
  Phase phase = Phase::pending;
  std::string swarm;
  std::string label;
  std::string provider;
  std::string item;
  std::uint32_t mcpu = 0;
  std::uint32_t mib = 0;
  std::string boot;
  std::int64_t since_ns = 0;            ///< where the open interval begins, on the clock of `boot`
  std::int64_t since_us = 0;            ///< and on the wall
  std::int64_t bound_ns = 0;            ///< it began at most so much later
  std::optional<std::int64_t> told_us;  ///< when the provider says that it all began
  std::int64_t booked_ns = 0;           ///< booked since it began
  bool gaps = false;                    ///< it rested in between, so the provider's difference says nothing

  [[nodiscard]] std::string priced_as() const { return price_item(Kind::sandbox, provider, item); }
  /// Costs, or may.
  [[nodiscard]] bool counts() const {
    return phase == Phase::running || phase == Phase::ending || phase == Phase::halting || phase == Phase::waking;
  }
};

/// Where an interval ends.
struct Meter::End {
  Moment at;
  std::optional<Moment> not_before;
  bool found = false;
  std::optional<WallTime> told;
  Duration late{0};
};

/// How long an interval was: `ns`, off by at most `bound_ns` either way.
struct Meter::Extent {
  std::int64_t ns = 0;
  std::int64_t bound_ns = 0;
};

}  // namespace swarm::costs
