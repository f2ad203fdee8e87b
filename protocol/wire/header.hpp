#pragma once
// The first bytes of a MessagePack value: what it is and how much follows. The frame scanner and the envelope reader
// walk messages by headers; only parameters and results become Values.

#include <cstddef>
#include <cstdint>
#include <span>

namespace swarm::wire {

enum class Family : std::uint8_t { nil, boolean, positive, negative, number, str, bin, ext, array, map, invalid };

/// One header. `number` is the value of an integer (as two's complement) or boolean, the bits of a float, the count of
/// elements of an array, of pairs of a map, or the bytes that follow for str, bin and ext (its type byte included).
struct Header {
  Family family = Family::invalid;
  std::uint8_t length = 1;  ///< bytes of the header itself
  std::uint64_t number = 0;

  /// Bytes after the header that belong to this value alone.
  [[nodiscard]] std::uint64_t payload() const {
    return family == Family::str || family == Family::bin || family == Family::ext ? number : 0;
  }
  /// Values after the header that belong to this one.
  [[nodiscard]] std::uint64_t children() const {
    if (family == Family::array) return number;
    return family == Family::map ? number * 2 : 0;
  }
};

/// Bytes of the header that starts with `tag`: 1 to 9.
std::size_t header_length(std::byte tag);

/// Reads a header; at least `header_length(bytes[0])` bytes must be there.
Header read_header(std::span<const std::byte> bytes);

}  // namespace swarm::wire
