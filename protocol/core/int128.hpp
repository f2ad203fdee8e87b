#pragma once
// 128-bit integers for exact sums and rates. A compiler extension that clang and gcc have on every 64-bit machine.

#include <optional>
#include <string>
#include <string_view>

namespace swarm {

__extension__ typedef __int128 Int128;            // NOLINT(modernize-use-using): `using` takes no __extension__
__extension__ typedef unsigned __int128 UInt128;  // NOLINT(modernize-use-using)

/// a / b rounded up; both above or equal to zero, b > 0.
[[nodiscard]] constexpr Int128 divide_up(Int128 a, Int128 b) { return a / b + (a % b != 0 ? 1 : 0); }

/// a / b rounded to the nearest, ties to the even one; b > 0.
[[nodiscard]] constexpr Int128 divide_half_even(Int128 a, Int128 b) {
  Int128 whole = a / b;
  Int128 rest = a % b;
  if (rest < 0) {  // towards minus infinity, so that 0 <= rest < b
    rest += b;
    whole -= 1;
  }
  const Int128 other = b - rest;
  if (rest > other || (rest == other && whole % 2 != 0)) whole += 1;
  return whole;
}

/// a * b, or nothing when it does not fit.
[[nodiscard]] constexpr std::optional<Int128> multiply(Int128 a, Int128 b) {
  Int128 product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// In decimal digits.
[[nodiscard]] std::string to_decimal(Int128 value);

/// Reads what `to_decimal` writes; nothing for anything else or for what does not fit.
[[nodiscard]] std::optional<Int128> int128_from_decimal(std::string_view text);

}  // namespace swarm
