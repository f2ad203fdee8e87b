#pragma once
// Between blocking file work and streams. While one piece is on its way the thread pool works on the next, with two
// buffers of kPiece bytes and no more.

#include <functional>
#include <memory>

#include "protocol/async/loop.hpp"
#include "protocol/tree/entry.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::tree {

/// Bytes that one thread-pool job handles: enough to hide the way there and back, little enough to stay in the cache.
inline constexpr std::size_t kPiece = std::size_t{512} << 10U;

/// Makes bytes, in blocking pieces.
class Producer {
 public:
  virtual ~Producer() = default;
  /// Fills `out`, which comes empty, with at least one and about kPiece bytes; left empty it is the end.
  virtual Result<void> fill(std::string& out) = 0;
};

/// Takes bytes, in blocking pieces.
class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual Result<void> take(std::span<const char> bytes) = 0;
  /// All bytes have come.
  virtual Result<void> finish() = 0;
};

/// Runs a piece of blocking work on the thread that calls it, for example with the rights of a user. Called from
/// several threads, so it owns what it needs.
using Around = std::function<Result<void>(const std::function<Result<void>()>&)>;

/// Sends all that `producer` makes and ends the stream, cleanly or with the failure. The number of bytes. `sink` must
/// outlive the task; dropping it leaves the stream to whoever owns the sink.
async::Task<Result<std::uint64_t>> pump_out(async::Loop& loop, std::shared_ptr<Producer> producer, wire::ByteSink& sink,
                                            Around around = nullptr);

/// Hands `consumer` all that comes. The number of bytes; a failed stream is a failure. `source` must outlive the task;
/// dropping it drops the consumer, as soon as its piece of work is done.
async::Task<Result<std::uint64_t>> pump_in(async::Loop& loop, std::shared_ptr<Consumer> consumer,
                                           wire::ByteSource& source, Around around = nullptr);

}  // namespace swarm::tree
