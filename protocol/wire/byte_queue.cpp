#include "protocol/wire/byte_queue.hpp"

#include <bit>
#include <cassert>

namespace swarm::wire {

ByteQueue::Chunk ByteQueue::make_chunk(std::size_t capacity) {
  return {.bytes = std::make_unique_for_overwrite<std::byte[]>(capacity), .capacity = capacity};  // NOLINT
}

void ByteQueue::append(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (chunks_.empty() || chunks_.back().end == chunks_.back().capacity) {
      const std::size_t wanted = std::clamp(std::max(bytes.size(), size_ / 4), kSmallestChunk, kLargestChunk);
      if (spare_.bytes != nullptr && wanted > kSmallestChunk) {
        chunks_.push_back(std::exchange(spare_, {}));
      } else {
        chunks_.push_back(make_chunk(std::bit_ceil(wanted)));
      }
    }
    Chunk& tail = chunks_.back();
    const std::size_t count = std::min(bytes.size(), tail.capacity - tail.end);
    std::memcpy(tail.bytes.get() + tail.end, bytes.data(), count);
    tail.end += count;
    bytes = bytes.subspan(count);
  }
}

void ByteQueue::push_front(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  Chunk chunk = make_chunk(bytes.size());
  std::memcpy(chunk.bytes.get(), bytes.data(), bytes.size());
  chunk.end = bytes.size();
  chunks_.push_front(std::move(chunk));
  size_ += bytes.size();
}

std::size_t ByteQueue::pop(std::span<std::byte> into) {
  std::size_t moved = 0;
  while (moved < into.size() && size_ > 0) {
    const std::span<const std::byte> piece = at(0, into.size() - moved);
    std::memcpy(into.data() + moved, piece.data(), piece.size());
    moved += piece.size();
    drop(piece.size());
  }
  return moved;
}

void ByteQueue::drop(std::size_t count) {
  assert(count <= size_);
  size_ -= count;
  while (count > 0) {
    Chunk& head = chunks_.front();
    const std::size_t here = std::min(count, head.size());
    head.begin += here;
    count -= here;
    // An unfilled chunk that ran empty would take more, but giving it back keeps an idle queue at nothing.
    if (head.size() > 0) continue;
    if (size_ > 0 && head.capacity == kLargestChunk && spare_.bytes == nullptr) {
      spare_ = std::move(head);
      spare_.begin = spare_.end = 0;
    }
    chunks_.pop_front();
  }
  if (size_ == 0) spare_ = {};
}

std::span<const std::byte> ByteQueue::at(std::size_t position, std::size_t most) const {
  for (const Chunk& chunk : chunks_) {
    if (position < chunk.size()) {
      const std::size_t count = std::min(most, chunk.size() - position);
      return {chunk.bytes.get() + chunk.begin + position, count};
    }
    position -= chunk.size();
  }
  return {};
}

void ByteQueue::clear() {
  chunks_.clear();
  spare_ = {};
  size_ = 0;
}

}  // namespace swarm::wire
