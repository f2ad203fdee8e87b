#pragma once
// Bytes that came and are not taken yet. Grows with what arrives, never with what a header claims, and shrinks again:
// thousands of idle connections must cost little.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace swarm::wire {

class Input {
 public:
  /// Where to read to: at least a quarter of the buffer.
  std::span<std::byte> space() {
    if (begin_ == end_) {
      begin_ = end_ = 0;
      if (capacity_ > kSmall && largest_ < capacity_ / 8) resize(kSmall);
      largest_ = 0;
    }
    if (capacity_ - end_ < capacity_ / 4 || capacity_ == 0) {
      const std::size_t waiting = end_ - begin_;
      resize(waiting > capacity_ / 2 || capacity_ == 0 ? std::max(kSmall, capacity_ * 2) : capacity_);
    }
    return {bytes_.get() + end_, capacity_ - end_};
  }

  /// `size` bytes were read into `space()`.
  void added(std::size_t size) {
    const bool filled = size == capacity_ - end_;
    end_ += size;
    largest_ = std::max(largest_, size);
    if (filled && begin_ == 0 && capacity_ < kLarge) resize(capacity_ * 2);
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void take(std::size_t size) { begin_ += size; }

 private:
  static constexpr std::size_t kSmall = std::size_t{4} << 10U;
  static constexpr std::size_t kLarge = std::size_t{256} << 10U;  // a socket holds about as much

  void resize(std::size_t capacity) {
    if (capacity == capacity_) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
    } else {
      auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
      if (end_ > begin_) std::memcpy(larger.get(), bytes_.get() + begin_, end_ - begin_);
      bytes_ = std::move(larger);
      capacity_ = capacity;
    }
    end_ -= begin_;
    begin_ = 0;
  }

  std::unique_ptr<std::byte[]> bytes_;  // NOLINT(*-avoid-c-arrays): uninitialised on purpose
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t largest_ = 0;  // read at once since the buffer was empty
};

}  // namespace swarm::wire
