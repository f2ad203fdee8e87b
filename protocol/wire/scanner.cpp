#include "protocol/wire/scanner.hpp"

#include <fmt/format.h>

#include "protocol/wire/header.hpp"

namespace swarm::wire {
namespace {

std::unexpected<Error> too_much(std::string what, std::size_t limit, std::size_t at) {
  return fail(Code::resource_exhausted,
              fmt::format("message refused at byte {}: {}; at most {} are taken", at, what, limit));
}

}  // namespace

Result<FrameScanner::Found> FrameScanner::scan(std::span<const std::byte> bytes) {
  while (!complete_) {
    if (at_ >= bytes.size()) return Found::more;
    const std::span<const std::byte> rest = bytes.subspan(at_);
    if (rest.size() < header_length(rest[0])) return Found::more;
    const Header header = read_header(rest);
    if (header.family == Family::invalid) {
      return fail(Code::invalid_argument, fmt::format("message refused at byte {}: 0xc1 is not MessagePack", at_));
    }
    const std::uint64_t payload = header.payload();
    const std::uint64_t children = header.children();
    if (payload > limits_.max_string_bytes) {
      return too_much(fmt::format("a string of {} bytes", payload), limits_.max_string_bytes, at_);
    }
    if (children > limits_.max_items || items_ + children > limits_.max_items) {
      return too_much(fmt::format("{} elements", items_ + children), limits_.max_items, at_);
    }
    const bool container = header.family == Family::array || header.family == Family::map;
    if (container && open_.size() >= limits_.max_depth) {
      return too_much(fmt::format("{} nested arrays and maps", open_.size() + 1), limits_.max_depth, at_);
    }
    // Every element to come takes at least a byte.
    const std::uint64_t least = at_ + header.length + payload + children;
    if (least > limits_.max_frame_bytes) {
      return too_much(fmt::format("it has at least {} bytes", least), limits_.max_frame_bytes, at_);
    }
    at_ += header.length + payload;
    items_ += children;
    if (children > 0) {
      open_.push_back(children);
      continue;
    }
    while (!open_.empty() && --open_.back() == 0) open_.pop_back();
    complete_ = open_.empty();
  }
  return at_ <= bytes.size() ? Found::frame : Found::more;
}

void FrameScanner::next() {
  at_ = 0;
  items_ = 1;
  open_.clear();
  complete_ = false;
}

}  // namespace swarm::wire
