#include "protocol/wire/reader.hpp"

namespace swarm::wire {

Header Reader::peek() const {
  if (bytes_.empty() || bytes_.size() < header_length(bytes_[0])) return {};
  const Header header = read_header(bytes_);
  return header.payload() > bytes_.size() - header.length ? Header{} : header;
}

std::string_view Reader::take_payload(const Header& header) {
  const std::span<const std::byte> payload = bytes_.subspan(header.length, header.payload());
  bytes_ = bytes_.subspan(header.length + payload.size());
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};  // NOLINT: bytes as characters
}

std::optional<std::size_t> Reader::array() {
  const Header header = peek();
  if (header.family != Family::array) return std::nullopt;
  bytes_ = bytes_.subspan(header.length);
  return header.number;
}

std::optional<std::size_t> Reader::map() {
  const Header header = peek();
  if (header.family != Family::map) return std::nullopt;
  bytes_ = bytes_.subspan(header.length);
  return header.number;
}

std::optional<std::uint64_t> Reader::unsigned_integer() {
  const Header header = peek();
  const bool negative = (header.number >> 63U) != 0;
  if (header.family != Family::positive && (header.family != Family::negative || negative)) return std::nullopt;
  bytes_ = bytes_.subspan(header.length);
  return header.number;
}

std::optional<std::string_view> Reader::string() {
  const Header header = peek();
  if (header.family != Family::str) return std::nullopt;
  return take_payload(header);
}

std::optional<std::string_view> Reader::bytes() {
  const Header header = peek();
  if (header.family != Family::str && header.family != Family::bin) return std::nullopt;
  return take_payload(header);
}

bool Reader::nil() {
  const Header header = peek();
  if (header.family != Family::nil) return false;
  bytes_ = bytes_.subspan(header.length);
  return true;
}

std::optional<std::span<const std::byte>> Reader::any() {
  const std::span<const std::byte> start = bytes_;
  std::uint64_t open = 1;
  while (open > 0) {
    const Header header = peek();
    if (header.family == Family::invalid) {
      bytes_ = start;
      return std::nullopt;
    }
    open += header.children() - 1;
    take_payload(header);
  }
  return start.first(start.size() - bytes_.size());
}

}  // namespace swarm::wire
