#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

namespace swarm::wire {

/// A FIFO of bytes in chunks: appending never moves what is there, and memory goes back as bytes leave the front.
class ByteQueue {
 public:
  /// A chunk's capacity lies between these, growing with what is queued: an idle queue holds nothing, a busy one few
  /// chunks.
  static constexpr std::size_t kSmallestChunk = std::size_t{4} << 10U;
  static constexpr std::size_t kLargestChunk = std::size_t{64} << 10U;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  void append(std::span<const std::byte> bytes);

  /// Puts bytes back in front of everything.
  void push_front(std::span<const std::byte> bytes);

  /// Moves up to `into.size()` bytes out of the front; the number moved.
  std::size_t pop(std::span<std::byte> into);

  /// Forgets the first `count` bytes; `count` <= size().
  void drop(std::size_t count);

  /// A contiguous piece that starts `position` bytes behind the front, at most `most` bytes; empty only at the end.
  /// Valid until the queue changes.
  [[nodiscard]] std::span<const std::byte> at(std::size_t position, std::size_t most) const;

  void clear();

 private:
  struct Chunk {
    std::unique_ptr<std::byte[]> bytes;  // NOLINT(*-avoid-c-arrays): not zeroed, unlike a vector
    std::size_t capacity = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    [[nodiscard]] std::size_t size() const { return end - begin; }
  };

  static Chunk make_chunk(std::size_t capacity);

  std::deque<Chunk> chunks_;
  Chunk spare_;  // the last large chunk that ran empty: a steady flow then asks the allocator for nothing
  std::size_t size_ = 0;
};

}  // namespace swarm::wire
