#pragma once
// Quantities as people write them: "1h30m", "512MiB", "60/min". The configuration, the command line and tables share
// these, so that what is printed can be typed again. Every `format_*` is read back by its `parse_*` to the same value.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/core/clock.hpp"
#include "protocol/core/error.hpp"

namespace swarm {

/// A number of bytes, as a type of its own so that it is not mistaken for a count.
struct ByteSize {
  std::uint64_t bytes = 0;
  auto operator<=>(const ByteSize&) const = default;
};

/// So many in each period: "60/min".
struct Rate {
  std::uint64_t count = 0;
  Duration per{std::chrono::seconds(1)};
  bool operator==(const Rate&) const = default;
};

/// Reads "250ms", "5m", "1h30m", "1.5h": units ns, us, ms, s, m, h, d, w, from large to small, each once; a fraction
/// only if it is a whole number of nanoseconds. A bare "0" is zero; any other number without a unit is
/// `invalid_argument`, since seconds and milliseconds are mixed up too easily. Never negative.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

/// The shortest exact spelling in whole units: "1h30m", "0s". Not for negative durations.
[[nodiscard]] std::string format_duration(Duration duration);

/// Reads "512MiB", "2GB", "1.5GiB", "100B": binary (KiB MiB GiB TiB PiB, also Ki Mi Gi ...) and decimal (kB KB MB GB TB
/// PB) units are different. A bare "0" is zero; any other number needs its unit.
[[nodiscard]] Result<ByteSize> parse_size(std::string_view text);

/// The shortest exact spelling: "512MiB", "2GB".
[[nodiscard]] std::string format_size(ByteSize size);

/// Reads "60/min", "5/s", "40000/60s": a whole number, a slash, and s, min, h, day or a duration above zero.
[[nodiscard]] Result<Rate> parse_rate(std::string_view text);

/// "60/min"; a period that is not one of the named ones is written as a duration.
[[nodiscard]] std::string format_rate(Rate rate);

}  // namespace swarm
