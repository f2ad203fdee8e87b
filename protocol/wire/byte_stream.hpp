#pragma once
// Bytes of any length beside the requests of a connection.
//
// The caller of a method picks an id and passes it as a parameter; either side then sends `stream.data [{stream,
// data}]` and `stream.end [{stream, error?}]`, and the receiver gives back credit with `stream.credit [{stream,
// bytes}]` as it consumes. A sender without credit waits, so one full stream does not hold up the rest of the
// connection.

#include <optional>
#include <span>
#include <string>

#include "protocol/async/task.hpp"
#include "protocol/core/error.hpp"

namespace swarm::wire {

/// The receiving end of a stream. Destroying it before the end tells the sender that nobody reads (`cancelled`).
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// The next chunk; nothing at the clean end; the sender's error when it failed; `unavailable` when the connection
  /// ended. Credit is given back when the chunk after it is asked for.
  virtual async::Task<Result<std::optional<std::string>>> read() = 0;
};

/// The sending end of a stream. Destroying it before `end()` ends the stream with `cancelled`.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  /// Sends all of `bytes`, in chunks, waiting for credit. `cancelled` when the reader has gone. `bytes` must live until
  /// the task ends.
  virtual async::Task<Result<void>> write(std::span<const std::byte> bytes) = 0;
  /// The clean end: the reader gets everything first.
  virtual void end() = 0;
  /// Ends the stream with a failure that the reader gets after what was sent.
  virtual void fail(Error error) = 0;
};

}  // namespace swarm::wire
