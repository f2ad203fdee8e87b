#pragma once
// The first bytes of a MessagePack value: what it is and how much follows. The frame scanner and the envelope reader
// walk messages by headers; only parameters and results become Values.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

namespace detail {

struct Tag {
  Family family = Family::invalid;
  std::uint8_t width = 0;     // bytes of the big-endian number after the tag
  std::uint8_t extra = 0;     // added to the number: the type byte of an extension
  std::uint8_t constant = 0;  // the number where the tag holds it
  bool is_signed = false;
};

// https://github.com/msgpack/msgpack/blob/master/spec.md, "Formats"
constexpr std::array<Tag, 256> make_tags() {
  std::array<Tag, 256> tags{};
  const auto range = [&tags](std::size_t from, std::size_t to, Family family) {
    for (std::size_t i = from; i <= to; ++i) {
      tags[i] = {.family = family, .constant = static_cast<std::uint8_t>(i - from)};
    }
  };
  range(0x00, 0x7f, Family::positive);
  range(0x80, 0x8f, Family::map);
  range(0x90, 0x9f, Family::array);
  range(0xa0, 0xbf, Family::str);
  range(0xe0, 0xff, Family::negative);
  tags[0xc0] = {.family = Family::nil};
  tags[0xc2] = {.family = Family::boolean};
  tags[0xc3] = {.family = Family::boolean, .constant = 1};
  for (std::uint8_t i = 0; i < 3; ++i) {
    const auto width = static_cast<std::uint8_t>(1U << i);
    tags[0xc4U + i] = {.family = Family::bin, .width = width};
    tags[0xc7U + i] = {.family = Family::ext, .width = width, .extra = 1};
    tags[0xd9U + i] = {.family = Family::str, .width = width};
  }
  tags[0xca] = {.family = Family::number, .width = 4};
  tags[0xcb] = {.family = Family::number, .width = 8};
  for (std::uint8_t i = 0; i < 4; ++i) {
    const auto width = static_cast<std::uint8_t>(1U << i);
    tags[0xccU + i] = {.family = Family::positive, .width = width};
    tags[0xd0U + i] = {.family = Family::negative, .width = width, .is_signed = true};
  }
  for (std::uint8_t i = 0; i < 5; ++i) {
    tags[0xd4U + i] = {.family = Family::ext, .constant = static_cast<std::uint8_t>((1U << i) + 1)};
  }
  for (std::uint8_t i = 0; i < 2; ++i) {
    const auto width = static_cast<std::uint8_t>(2U << i);
    tags[0xdcU + i] = {.family = Family::array, .width = width};
    tags[0xdeU + i] = {.family = Family::map, .width = width};
  }
  return tags;
}

inline constexpr std::array<Tag, 256> kTags = make_tags();

template <class T>
std::uint64_t big_endian(const std::byte* at) {
  T number{};
  std::memcpy(&number, at, sizeof number);
  if constexpr (sizeof(T) > 1 && std::endian::native == std::endian::little) number = std::byteswap(number);
  // Through the signed type, so that a negative number keeps its sign in 64 bits.
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(number));
}

inline std::uint64_t load(const std::byte* at, const Tag& tag) {
  switch (tag.width) {
    case 1:
      return tag.is_signed ? big_endian<std::int8_t>(at) : big_endian<std::uint8_t>(at);
    case 2:
      return tag.is_signed ? big_endian<std::int16_t>(at) : big_endian<std::uint16_t>(at);
    case 4:
      return tag.is_signed ? big_endian<std::int32_t>(at) : big_endian<std::uint32_t>(at);
    default:
      return big_endian<std::uint64_t>(at);
  }
}

}  // namespace detail

/// Bytes of the header that starts with `tag`: 1 to 9.
inline std::size_t header_length(std::byte tag) { return 1U + detail::kTags[std::to_integer<std::size_t>(tag)].width; }

/// Reads a header; at least `header_length(bytes[0])` bytes must be there.
inline Header read_header(std::span<const std::byte> bytes) {
  const auto first = std::to_integer<std::uint8_t>(bytes[0]);
  const detail::Tag& tag = detail::kTags[first];
  Header header{.family = tag.family, .length = static_cast<std::uint8_t>(1U + tag.width), .number = tag.constant};
  if (tag.width != 0) {
    header.number = detail::load(bytes.data() + 1, tag) + tag.extra;
  } else if (tag.family == Family::negative) {
    header.number = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int8_t>(first)));
  }
  return header;
}

}  // namespace swarm::wire
