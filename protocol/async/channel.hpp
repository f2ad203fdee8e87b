#pragma once

#include <deque>

#include "protocol/async/event.hpp"

namespace swarm::async {

/// A bounded queue between coroutines of one loop. A full channel makes senders wait; that is the back-pressure.
template <class T>
class Channel {
 public:
  /// `capacity` > 0 values are kept before senders wait.
  Channel(Loop& loop, std::size_t capacity) : capacity_(capacity), readable_(loop), writable_(loop) {}

  /// Waits for room. False when the channel was closed; then `value` is dropped.
  Task<bool> send(T value) {
    while (!closed_ && queue_.size() >= capacity_) co_await writable_.wait();
    if (closed_) co_return false;
    queue_.push_back(std::move(value));
    readable_.notify_one();
    co_return true;
  }

  /// False when full or closed; then `value` is untouched.
  bool try_send(T& value) {
    if (closed_ || queue_.size() >= capacity_) return false;
    queue_.push_back(std::move(value));
    readable_.notify_one();
    return true;
  }

  /// The next value; nothing once the channel is closed and empty.
  Task<std::optional<T>> receive() {
    while (queue_.empty() && !closed_) co_await readable_.wait();
    co_return try_receive();
  }

  std::optional<T> try_receive() {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value(std::move(queue_.front()));
    queue_.pop_front();
    writable_.notify_one();
    // A receiver that was woken for this value and then dropped must not leave the others asleep.
    if (!queue_.empty()) readable_.notify_one();
    return value;
  }

  /// Ends the channel: what is queued can still be received, nothing more is accepted.
  void close() {
    closed_ = true;
    readable_.notify_all();
    writable_.notify_all();
  }

  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] std::size_t size() const { return queue_.size(); }

 private:
  std::size_t capacity_;
  std::deque<T> queue_;
  Condition readable_;
  Condition writable_;
  bool closed_ = false;
};

}  // namespace swarm::async
