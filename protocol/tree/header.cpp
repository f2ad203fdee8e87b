#include "protocol/tree/header.hpp"

#include <algorithm>

namespace swarm::tree {

Header::Header(std::span<const char> block) { std::ranges::copy(block.first(kBlock), block_.begin()); }

std::string_view Header::text(Field where) const {
  const std::string_view whole(block_.data() + where.offset, where.size);
  return whole.substr(0, whole.find('\0'));
}

std::optional<std::int64_t> Header::number(Field where) const {
  const std::string_view raw(block_.data() + where.offset, where.size);
  std::uint64_t value = 0;
  if ((static_cast<unsigned char>(raw[0]) & 0x80U) != 0) {
    // GNU's base-256: a big-endian two's complement number whose first bit marks it.
    const bool negative = static_cast<unsigned char>(raw[0]) == 0xff;
    if (!negative && static_cast<unsigned char>(raw[0]) != 0x80) return std::nullopt;
    const std::uint64_t sign = negative ? ~std::uint64_t{0} : 0;
    value = sign;
    for (const char c : raw.substr(1)) {
      if (value >> 55U != sign >> 55U) return std::nullopt;
      value = value << 8U | static_cast<unsigned char>(c);
    }
    return static_cast<std::int64_t>(value);
  }
  std::size_t at = std::min(raw.find_first_not_of(' '), raw.size());
  for (; at < raw.size() && raw[at] >= '0' && raw[at] <= '7'; ++at)
    value = value << 3U | static_cast<unsigned>(raw[at] - '0');
  for (; at < raw.size(); ++at) {
    if (raw[at] != ' ' && raw[at] != '\0') return std::nullopt;
  }
  return static_cast<std::int64_t>(value);  // 12 octal digits are 36 bits
}

bool Header::all_zero() const {
  return std::ranges::all_of(block_, [](char c) { return c == 0; });
}

std::uint64_t Header::sum() const {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool in_checksum = i >= field::checksum.offset && i < field::checksum.offset + field::checksum.size;
    total += in_checksum ? ' ' : static_cast<unsigned char>(block_[i]);
  }
  return total;
}

bool Header::intact() const { return number(field::checksum) == static_cast<std::int64_t>(sum()); }

bool Header::has_prefix() const {
  return std::string_view(block_.data() + field::magic.offset, 6) == std::string_view("ustar\0", 6);
}

void Header::set_text(Field where, std::string_view value) {
  std::ranges::copy(value.substr(0, where.size), block_.begin() + static_cast<std::ptrdiff_t>(where.offset));
}

void Header::set_number(Field where, std::uint64_t value) {
  block_[where.offset + where.size - 1] = '\0';
  for (std::size_t i = where.size - 1; i-- > 0; value >>= 3U) {
    block_[where.offset + i] = static_cast<char>('0' + (value & 7U));
  }
}

void Header::seal() {
  set_text(field::magic, std::string_view("ustar\00000", 8));
  const std::uint64_t total = sum();
  set_number({field::checksum.offset, 7}, total);
  block_[field::checksum.offset + 7] = ' ';
}

}  // namespace swarm::tree
