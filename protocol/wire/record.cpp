#include "protocol/wire/record.hpp"

#include <fmt/format.h>

#include "protocol/wire/big_endian.hpp"

namespace swarm::wire {
namespace {

constexpr std::size_t kNumber = 8;

struct Lengths {
  std::size_t least;
  std::size_t most;
};

/// What a record of this type may hold; nothing for a type that does not exist.
std::optional<Lengths> lengths_of(RecordType type) {
  switch (type) {
    case RecordType::data:
      return Lengths{1, kMaxDataRecord};
    case RecordType::ack:
      return Lengths{2 * kNumber, 2 * kNumber};
    case RecordType::ping:
    case RecordType::pong:
    case RecordType::fin:
      return Lengths{kNumber, kNumber};
    case RecordType::close:
      return Lengths{1, 1};
  }
  return std::nullopt;
}

}  // namespace

Result<void> RecordParser::begin_record() {
  type_ = static_cast<RecordType>(held_[0]);
  left_ = get_big_endian(std::span(held_).subspan(1, 3));
  const std::optional<Lengths> allowed = lengths_of(type_);
  if (!allowed) {
    return fail(Code::invalid_argument,
                fmt::format("the peer sent a session record of the unknown type {}", static_cast<unsigned>(type_)));
  }
  if (left_ < allowed->least || left_ > allowed->most) {
    return fail(Code::invalid_argument,
                fmt::format("the peer sent a session record of type {} with {} bytes; {} to {} "
                            "are allowed",
                            static_cast<unsigned>(type_), left_, allowed->least, allowed->most));
  }
  return {};
}

Result<void> RecordParser::end_control(RecordSink& sink) const {
  const auto payload = std::span(held_).subspan(kRecordHeader);
  const std::uint64_t number = get_big_endian(payload.first(kNumber));
  switch (type_) {
    case RecordType::ack:
      return sink.on_ack(number, get_big_endian(payload.subspan(kNumber, kNumber)));
    case RecordType::ping:
      return sink.on_ping(number);
    case RecordType::pong:
      return sink.on_pong(number);
    case RecordType::fin:
      return sink.on_fin(number);
    case RecordType::close:
      return sink.on_close(static_cast<CloseReason>(payload[0]));
    case RecordType::data:
      break;
  }
  return {};
}

Result<void> RecordParser::feed(std::span<const std::byte> bytes, RecordSink& sink) {
  while (!bytes.empty()) {
    if (held_size_ >= kRecordHeader && type_ == RecordType::data) {
      const std::span<const std::byte> piece = bytes.first(std::min(left_, bytes.size()));
      bytes = bytes.subspan(piece.size());
      left_ -= piece.size();
      if (left_ == 0) held_size_ = 0;
      if (auto taken = sink.on_data(piece); !taken) return taken;
      continue;
    }
    const bool in_header = held_size_ < kRecordHeader;
    const std::size_t missing = in_header ? kRecordHeader - held_size_ : left_;
    const std::size_t count = std::min(missing, bytes.size());
    std::memcpy(held_.data() + held_size_, bytes.data(), count);
    bytes = bytes.subspan(count);
    held_size_ += count;
    if (in_header) {
      if (held_size_ < kRecordHeader) continue;
      if (auto begun = begin_record(); !begun) return begun;
      continue;
    }
    left_ -= count;
    if (left_ > 0) continue;
    held_size_ = 0;
    if (auto taken = end_control(sink); !taken) return taken;
  }
  return {};
}

void put_header(std::span<std::byte> into, RecordType type, std::size_t length) {
  into[0] = static_cast<std::byte>(type);
  put_big_endian(into.subspan(1, 3), length);
}

std::size_t put_ack(std::span<std::byte> into, std::uint64_t received, std::uint64_t limit) {
  put_header(into, RecordType::ack, 2 * kNumber);
  put_big_endian(into.subspan(kRecordHeader, kNumber), received);
  put_big_endian(into.subspan(kRecordHeader + kNumber, kNumber), limit);
  return kRecordHeader + (2 * kNumber);
}

std::size_t put_number(std::span<std::byte> into, RecordType type, std::uint64_t number) {
  put_header(into, type, kNumber);
  put_big_endian(into.subspan(kRecordHeader, kNumber), number);
  return kRecordHeader + kNumber;
}

std::size_t put_close(std::span<std::byte> into, CloseReason reason) {
  put_header(into, RecordType::close, 1);
  into[kRecordHeader] = static_cast<std::byte>(reason);
  return kRecordHeader + 1;
}

}  // namespace swarm::wire
