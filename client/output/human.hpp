#pragma once
// Quantities for people: at most three figures, always with their unit, never more exact than is useful. Where a value
// is to be typed again, use `protocol/core/units.hpp`.

#include <chrono>
#include <cstdint>
#include <string>

#include "protocol/core/clock.hpp"

namespace swarm::client {

/// "0 B", "4.2 KiB", "512 MiB": powers of 1024.
std::string human_size(std::uint64_t bytes);

/// "0.3 s", "12 s", "4 min", "3 h 20 min", "2 d 4 h".
std::string human_duration(std::chrono::milliseconds duration);

/// How long ago: "now", "12 s", "4 min", "3 h", "2 d". A time to come, or none, is "-".
std::string human_age(WallTime now, std::int64_t then_us);

/// How long until: "in 4 min", or "4 min ago".
std::string human_until(WallTime now, std::int64_t then_us);

/// Local time to the second: "2026-03-01 14:05:09".
std::string local_time(std::int64_t us);

/// Local time of day with milliseconds: "14:05:09.123".
std::string clock_time(std::int64_t us);

/// "0.4", "12", "1,234": a number that is read, not calculated with.
std::string human_count(std::uint64_t count);

}  // namespace swarm::client
