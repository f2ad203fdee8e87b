#pragma once
// The 512-byte block of a tar archive (POSIX.1-2017, pax, "ustar Interchange Format").

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace swarm::tree {

inline constexpr std::size_t kBlock = 512;

struct Field {
  std::size_t offset;
  std::size_t size;
};

namespace field {
inline constexpr Field name{0, 100};
inline constexpr Field mode{100, 8};
inline constexpr Field uid{108, 8};
inline constexpr Field gid{116, 8};
inline constexpr Field size{124, 12};
inline constexpr Field mtime{136, 12};
inline constexpr Field checksum{148, 8};
inline constexpr Field type{156, 1};
inline constexpr Field link{157, 100};
inline constexpr Field magic{257, 8};
inline constexpr Field prefix{345, 155};
}  // namespace field

/// The largest number that an octal field of 12 bytes holds.
inline constexpr std::uint64_t kMaxOctal = (std::uint64_t{1} << 33U) - 1;

/// A block that is being written or read.
class Header {
 public:
  /// All zero.
  Header() = default;
  /// Copies `block`, which has 512 bytes.
  explicit Header(std::span<const char> block);

  /// The bytes of a field up to its first NUL.
  [[nodiscard]] std::string_view text(Field where) const;
  /// An octal number, or GNU's base-256 form; nothing when it is neither or does not fit into 63 bits.
  [[nodiscard]] std::optional<std::int64_t> number(Field where) const;
  [[nodiscard]] char type() const { return block_[field::type.offset]; }
  [[nodiscard]] bool all_zero() const;
  /// Whether the checksum field tells the truth.
  [[nodiscard]] bool intact() const;
  /// "ustar" with a `prefix` field (GNU's own magic has other things there).
  [[nodiscard]] bool has_prefix() const;

  /// `value` must fit.
  void set_text(Field where, std::string_view value);
  void set_number(Field where, std::uint64_t value);
  void set_type(char type) { block_[field::type.offset] = type; }
  /// Last of all.
  void seal();

  [[nodiscard]] std::string_view bytes() const { return {block_.data(), block_.size()}; }

 private:
  [[nodiscard]] std::uint64_t sum() const;
  std::array<char, kBlock> block_{};
};

/// Zero bytes between the end of `size` bytes of content and the next block.
constexpr std::size_t padding_after(std::uint64_t size) {
  return static_cast<std::size_t>((kBlock - size % kBlock) % kBlock);
}

}  // namespace swarm::tree
