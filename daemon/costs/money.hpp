#pragma once
// Money without rounding. Quantities are whole numbers (nanoseconds times thousandths of a vCPU, nanoseconds times MiB,
// tokens, calls), prices whole nano-USD per hour or per million; their products share one denominator, so that sums of
// any length, in any order, are exact. Rounding to nano-USD happens once, when a sum is shown.

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/core/error.hpp"
#include "protocol/core/int128.hpp"

namespace swarm::costs {

/// What was used. All at least 0.
struct Quantities {
  Int128 ns = 0;       ///< sandbox time
  Int128 mcpu_ns = 0;  ///< thousandths of a vCPU, times nanoseconds
  Int128 mib_ns = 0;   ///< MiB of memory, times nanoseconds
  Int128 input = 0;    ///< tokens
  Int128 output = 0;
  Int128 cache_read = 0;
  Int128 cache_write = 0;
  Int128 calls = 0;
  bool operator==(const Quantities&) const = default;
  Quantities& operator+=(const Quantities& more);
};

/// What that costs, in nano-USD: per hour, or per million.
struct Prices {
  std::int64_t vcpu_hour = 0;
  std::int64_t gib_hour = 0;
  std::int64_t sandbox_hour = 0;  ///< flat, beside or instead of the two
  std::int64_t input_million = 0;
  std::int64_t output_million = 0;
  std::int64_t cache_read_million = 0;
  std::int64_t cache_write_million = 0;
  std::int64_t call_million = 0;
  bool operator==(const Prices&) const = default;
};

/// An exact sum of money.
class Amount {
 public:
  /// Parts of a nano-USD: the least common multiple of what quantities are divided by (1,000 and 1,024 times the
  /// nanoseconds of an hour, and a million).
  static constexpr Int128 kPartsPerNano = Int128{128'000} * 3'600'000'000'000;

  constexpr Amount() = default;
  [[nodiscard]] static constexpr Amount from_parts(Int128 parts) { return Amount(parts); }
  [[nodiscard]] static constexpr Amount from_nano(std::int64_t nano) { return Amount(nano * kPartsPerNano); }

  /// `out_of_range` where the product leaves 128 bits (about 370 billion USD).
  [[nodiscard]] static Result<Amount> of(const Quantities& quantities, const Prices& prices);

  [[nodiscard]] constexpr Int128 parts() const { return parts_; }
  /// Rounded half-even to nano-USD.
  [[nodiscard]] Int128 nano() const { return divide_half_even(parts_, kPartsPerNano); }
  /// "0.0138": USD, rounded to nano-USD, without needless zeros.
  [[nodiscard]] std::string usd() const;

  auto operator<=>(const Amount&) const = default;
  Amount& operator+=(Amount more) {
    parts_ += more.parts_;
    return *this;
  }
  friend Amount operator+(Amount a, Amount b) { return a += b; }
  friend Amount operator-(Amount a, Amount b) { return Amount(a.parts_ - b.parts_); }

 private:
  constexpr explicit Amount(Int128 parts) : parts_(parts) {}
  Int128 parts_ = 0;
};

/// "0.0000045" to 4500: USD with at most nine decimals, not negative, below 9 billion.
[[nodiscard]] Result<std::int64_t> parse_usd(std::string_view text);

/// 13800000 to "0.0138".
[[nodiscard]] std::string format_usd(Int128 nano);

}  // namespace swarm::costs
