#include "protocol/coord/turn.hpp"

#include <fmt/format.h>

#include "protocol/core/id.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

constexpr std::size_t kMaxName = 64;

/// Ids begin with the time at which they are made; here that is the step's.
class StepClock final : public Clock {
 public:
  explicit StepClock(WallTime wall) : wall_(wall) {}
  [[nodiscard]] MonoTime now() const override { return {}; }
  [[nodiscard]] WallTime wall() const override { return wall_; }

 private:
  WallTime wall_;
};

}  // namespace

std::string Turn::make_id(std::string_view prefix) const {
  return new_id(prefix, StepClock(WallTime{wall_us(now)}), random);
}

Result<std::string> checked_name(std::string_view text, std::string_view what) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return fail(Code::invalid_argument, fmt::format("the {} is empty", what));
  const std::string_view name = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  constexpr std::string_view kNotAtEnds = "-.";
  if (name.size() > kMaxName || name.find_first_not_of(kAllowed) != std::string_view::npos ||
      kNotAtEnds.contains(name.front()) || kNotAtEnds.contains(name.back())) {
    return fail(
        Code::invalid_argument,
        fmt::format("the {} '{}' is no name: up to {} letters, digits, '-', '_' and '.', no '-' or '.' at its ends",
                    what, shown(name, 80), kMaxName));
  }
  return std::string(name);
}

}  // namespace swarm::coord
