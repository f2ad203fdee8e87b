#include "protocol/core/int128.hpp"

#include <algorithm>

namespace swarm {

std::string to_decimal(Int128 value) {
  const bool negative = value < 0;
  UInt128 rest = negative ? UInt128{0} - static_cast<UInt128>(value) : static_cast<UInt128>(value);
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (negative) digits += '-';
  std::ranges::reverse(digits);
  return digits;
}

std::optional<Int128> int128_from_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  Int128 value = 0;  // counted downwards: the lowest number has no positive counterpart
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, Int128{10}, &value)) return std::nullopt;
    if (__builtin_sub_overflow(value, Int128{c - '0'}, &value)) return std::nullopt;
  }
  if (negative) return value;
  Int128 positive = 0;
  if (__builtin_sub_overflow(Int128{0}, value, &positive)) return std::nullopt;
  return positive;
}

}  // namespace swarm
