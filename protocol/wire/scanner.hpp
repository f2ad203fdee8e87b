#pragma once
// Finds where a message ends while its bytes arrive, and refuses what is over the limits as soon as its header says so:
// a string that claims 4 GiB goes at its fifth byte, before anybody made room for it.

#include <cstddef>
#include <span>
#include <vector>

#include "protocol/core/error.hpp"
#include "protocol/wire/limits.hpp"

namespace swarm::wire {

/// Walks the headers of one message after the other. Resumable at every byte; remembers positions, never bytes.
class FrameScanner {
 public:
  explicit FrameScanner(const Limits& limits) : limits_(limits) {}

  enum class Found { more, frame };

  /// Goes on with the current message. `bytes` is everything of it that has arrived, from its first byte (more may
  /// follow behind). `frame` when it is complete: then `size()` is its length, and `next()` starts on the one behind
  /// it. Refusals: `resource_exhausted` for what is over a limit, `invalid_argument` for what is not MessagePack; the
  /// stream is then out of step for good.
  Result<Found> scan(std::span<const std::byte> bytes);

  /// Bytes of the message as far as known; all of it once it is complete.
  [[nodiscard]] std::size_t size() const { return at_; }
  /// Elements that it declared so far.
  [[nodiscard]] std::size_t items() const { return items_; }

  /// Forgets the message and starts on the next one.
  void next();

 private:
  Limits limits_;
  std::size_t at_ = 0;             // where the next header starts; behind the arrived bytes while a string is skipped
  std::size_t items_ = 1;          // the message itself is one
  std::vector<std::size_t> open_;  // for each array or map that is open: values still to come
  bool complete_ = false;
};

}  // namespace swarm::wire
