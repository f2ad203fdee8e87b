#pragma once
// What travels on the stream under a session: records of a type, a length and a payload.
//
//   0        1                    4
//   | type   | length (24, BE)    | payload ...
//
//   data   1..65536 bytes   the next bytes of the direction
//   ack    16               bytes received so far, and the offset that the sender may go up to
//   ping   8                asks for a sign of life: at once a pong with the same number, and an ack
//   pong   8
//   fin    8                the direction ends after this many bytes; the end itself counts as one more in `ack`
//   close  1                the session is over, for this reason
//
// Payload bytes of `data` count as they come: a record that is cut in the middle has delivered what came of it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/core/error.hpp"

namespace swarm::wire {

/// Record types on the wire. Added, never reused.
enum class RecordType : std::uint8_t { data = 1, ack = 2, ping = 3, pong = 4, fin = 5, close = 6 };

/// Why a session was closed by the peer.
enum class CloseReason : std::uint8_t {
  done = 0,       ///< its owner has let it go
  violation = 1,  ///< the other side broke the protocol
  replaced = 2,   ///< a newer session took its place
  expired = 3,    ///< nobody came back in time
};

inline constexpr std::size_t kRecordHeader = 4;
inline constexpr std::size_t kMaxDataRecord = std::size_t{64} << 10U;
/// The longest record that is not `data`, with its header.
inline constexpr std::size_t kMaxControlRecord = kRecordHeader + 16;

/// Takes what the parser finds. A failure stops the parser; it must not be fed again then.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// Some bytes of the direction: a part of a record or the whole one.
  virtual Result<void> on_data(std::span<const std::byte> bytes) = 0;
  virtual Result<void> on_ack(std::uint64_t received, std::uint64_t limit) = 0;
  virtual Result<void> on_ping(std::uint64_t number) = 0;
  virtual Result<void> on_pong(std::uint64_t number) = 0;
  virtual Result<void> on_fin(std::uint64_t total) = 0;
  virtual Result<void> on_close(CloseReason reason) = 0;
};

/// Cuts a byte stream into records, whatever pieces it comes in. Holds at most one control record.
class RecordParser {
 public:
  /// `invalid_argument` for a type or a length that does not exist, and whatever the sink refuses.
  Result<void> feed(std::span<const std::byte> bytes, RecordSink& sink);

 private:
  Result<void> begin_record();
  Result<void> end_control(RecordSink& sink) const;

  std::array<std::byte, kMaxControlRecord> held_{};  // header, then the payload of a control record
  std::size_t held_size_ = 0;
  RecordType type_{};
  std::size_t left_ = 0;  // of the payload; meaningful once the header is complete
};

/// Writes a record's header; `into` holds at least `kRecordHeader` bytes.
void put_header(std::span<std::byte> into, RecordType type, std::size_t length);

/// Write whole control records; each gives its size. `into` holds at least `kMaxControlRecord` bytes.
std::size_t put_ack(std::span<std::byte> into, std::uint64_t received, std::uint64_t limit);
std::size_t put_number(std::span<std::byte> into, RecordType type, std::uint64_t number);
std::size_t put_close(std::span<std::byte> into, CloseReason reason);

}  // namespace swarm::wire
