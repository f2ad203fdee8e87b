#pragma once
// Bytes of any length beside the requests of a connection.
//
// The caller of a method picks an id and passes it as a parameter; either side then sends `stream.data [{stream,
// data}]` and `stream.end [{stream, error?}]`, and the receiver gives back credit with `stream.credit [{stream,
// bytes}]` as it consumes. A sender without credit waits, so one full stream does not hold up the rest of the
// connection; senders with credit take turns, a chunk each.
//
// An id has two directions, and a method uses one or both. `stream.end` without an error ends the sender's direction;
// with one it ends both: the peer's reader gets the error behind the bytes that came before, and the peer's writer
// stops. The peer answers it with a plain `stream.end` of its own if it was still sending, so that both know when no
// more bytes of that id are on their way.
//
// Bytes may come before the stream is opened here, since the caller sends them right behind its request. They are kept,
// up to the initial credit, until every request that came before them has been answered; if none of these opened the
// stream, the sender gets `stream.end` with `cancelled`. More bytes than the credit break their stream, not the
// connection.

#include <optional>
#include <span>
#include <string>

#include "protocol/async/task.hpp"
#include "protocol/core/error.hpp"

namespace swarm::wire {

/// The receiving end of a stream. Destroying it before the end tells the sender that nobody reads (`cancelled`); while
/// the sink of the same id is open here, what comes is thrown away instead, so that the other direction goes on. May
/// outlive the connection.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// The next bytes; nothing at the clean end; the sender's error when it failed; `unavailable` when the connection
  /// ended; `resource_exhausted` when the sender ignored its credit. Credit is given back when the chunk after it is
  /// asked for. One reader at a time; dropping the task loses no bytes.
  virtual async::Task<Result<std::optional<std::string>>> read() = 0;
};

/// The sending end of a stream. Destroying it before `end()` ends the stream with `cancelled`. May outlive the
/// connection.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  /// Sends all of `bytes`, in chunks, waiting for credit. `cancelled` (or the reader's error) when the reader has gone,
  /// `unavailable` when the connection ended. `bytes` must live until the task ends. One writer at a time.
  virtual async::Task<Result<void>> write(std::span<const std::byte> bytes) = 0;
  /// The clean end of this direction: the reader gets everything first.
  virtual void end() = 0;
  /// Ends the stream, both directions of it, with a failure that the reader gets after what was sent.
  virtual void fail(Error error) = 0;
};

}  // namespace swarm::wire
