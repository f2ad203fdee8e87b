#include "client/output/money.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

#include "client/output/human.hpp"

namespace swarm::client {

std::string human_usd(std::string_view usd) {
  const bool negative = usd.starts_with('-');
  if (negative) usd.remove_prefix(1);
  const std::size_t dot = std::min(usd.find('.'), usd.size());
  std::uint64_t whole = 0;
  for (const char c : usd.substr(0, dot)) whole = whole * 10 + static_cast<std::uint64_t>(c - '0');
  std::string part(dot < usd.size() ? usd.substr(dot + 1) : std::string_view());
  const bool some = whole > 0 || part.find_first_not_of('0') != std::string::npos;
  part.resize(std::max<std::size_t>(part.size(), 5), '0');
  std::uint64_t shown = 0;
  for (const char c : part.substr(0, 4)) shown = shown * 10 + static_cast<std::uint64_t>(c - '0');
  if (part[4] >= '5') ++shown;
  if (shown == 10'000) {
    shown = 0;
    ++whole;
  }
  if (some && whole == 0 && shown == 0) return negative ? ">-$0.0001" : "<$0.0001";
  return fmt::format("{}${}.{:04}", negative ? "-" : "", human_count(whole), shown);
}

std::string human_hours(double hours) {
  if (hours > 0 && hours < 0.0005) return "<0.001";
  return fmt::format("{:.3f}", hours);
}

std::string human_percent(double percent) {
  if (percent > 0 && percent < 1) return "<1 %";
  return fmt::format("{:.0f} %", std::floor(percent));
}

}  // namespace swarm::client
