#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace swarm::wire {

/// Writes `value` into all of `into`, most significant byte first.
inline void put_big_endian(std::span<std::byte> into, std::uint64_t value) {
  for (std::size_t i = into.size(); i-- > 0; value >>= 8U) into[i] = static_cast<std::byte>(value & 0xffU);
}

/// Reads all of `from` (at most 8 bytes), most significant byte first.
template <std::unsigned_integral T = std::uint64_t>
T get_big_endian(std::span<const std::byte> from) {
  std::uint64_t value = 0;
  for (const std::byte byte : from) value = (value << 8U) | std::to_integer<std::uint64_t>(byte);
  return static_cast<T>(value);
}

}  // namespace swarm::wire
