#include "client/output/human.hpp"

#include <fmt/format.h>

#include <ctime>

namespace swarm::client {
namespace {

using std::chrono::milliseconds;

/// The largest unit alone, for narrow columns.
std::string coarse(std::int64_t seconds) {
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

std::tm local(std::int64_t us) {
  const std::time_t seconds = us / 1'000'000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

std::string human_size(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  if (value < 9.995) return fmt::format("{:.3g} {}", value, kUnits.at(unit));
  if (value < 99.95) return fmt::format("{:.1f} {}", value, kUnits.at(unit));
  return fmt::format("{:.0f} {}", value, kUnits.at(unit));
}

std::string human_duration(milliseconds duration) {
  const std::int64_t ms = duration.count();
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (ms < 10'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
  const std::int64_t seconds = ms / 1000;
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) {
    return seconds % 60 == 0 ? fmt::format("{} min", seconds / 60)
                             : fmt::format("{} min {} s", seconds / 60, seconds % 60);
  }
  const std::int64_t minutes = seconds / 60;
  if (minutes < 48 * 60) {
    return minutes % 60 == 0 ? fmt::format("{} h", minutes / 60)
                             : fmt::format("{} h {} min", minutes / 60, minutes % 60);
  }
  const std::int64_t hours = minutes / 60;
  return hours % 24 == 0 ? fmt::format("{} d", hours / 24) : fmt::format("{} d {} h", hours / 24, hours % 24);
}

std::string human_age(WallTime now, std::int64_t then_us) {
  if (then_us <= 0) return "-";
  const std::int64_t seconds = (now.us - then_us) / 1'000'000;
  if (now.us < then_us && seconds < 0) return "-";
  return seconds == 0 ? "now" : coarse(seconds);
}

std::string human_until(WallTime now, std::int64_t then_us) {
  const std::int64_t seconds = (then_us - now.us) / 1'000'000;
  if (seconds == 0) return "now";
  return seconds > 0 ? "in " + coarse(seconds) : coarse(-seconds) + " ago";
}

std::string local_time(std::int64_t us) {
  const std::tm t = local(us);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                     t.tm_min, t.tm_sec);
}

std::string clock_time(std::int64_t us) {
  const std::tm t = local(us);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", t.tm_hour, t.tm_min, t.tm_sec, us / 1000 % 1000);
}

std::string human_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace swarm::client
