#pragma once
// Reads the parts of a message that need no Value: envelopes, and the frames of streams.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "protocol/wire/header.hpp"

namespace swarm::wire {

/// A position in MessagePack bytes that a FrameScanner has passed. Each call takes one value if it is of that kind, and
/// else leaves the position where it is.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// The number of elements, which then follow.
  std::optional<std::size_t> array();
  /// The number of pairs, which then follow.
  std::optional<std::size_t> map();
  std::optional<std::uint64_t> unsigned_integer();
  /// A str.
  std::optional<std::string_view> string();
  /// A bin, or the bytes of a str.
  std::optional<std::string_view> bytes();
  bool nil();

  /// One value of any kind; nothing at the end.
  std::optional<std::span<const std::byte>> any();

  /// What has not been read.
  [[nodiscard]] std::span<const std::byte> rest() const { return bytes_; }

 private:
  [[nodiscard]] Header peek() const;
  std::string_view take_payload(const Header& header);

  std::span<const std::byte> bytes_;
};

}  // namespace swarm::wire
