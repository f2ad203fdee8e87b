#pragma once

#include <deque>
#include <optional>
#include <string>

#include "protocol/async/timer.hpp"

namespace swarm::http {

/// The part of a body that has come and was not read. The connection fills it, the handler empties it.
class Body {
 public:
  explicit Body(async::Loop& loop) : loop_(loop), changed_(loop) {}

  void push(std::string_view bytes) {
    if (bytes.empty()) return;
    size_ += bytes.size();
    parts_.emplace_back(bytes);
    changed_.notify_all();
  }
  void finish() {
    over_ = true;
    changed_.notify_all();
  }
  void fail_with(Error why) {
    if (!failure_) failure_ = std::move(why);
    changed_.notify_all();
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool over() const { return over_ || failure_; }
  [[nodiscard]] bool empty() const { return parts_.empty(); }

  /// The next part; what failed comes behind what had come before.
  async::Task<Result<std::optional<std::string>>> read(Duration patience) {
    const MonoTime deadline = loop_.clock().now() + patience;
    while (parts_.empty() && !over_ && !failure_) {
      if (loop_.clock().now() >= deadline) {
        co_return fail(Code::deadline_exceeded,
                       "the body does not come: nothing within " + async::format_duration(patience));
      }
      async::Timer timer(loop_);
      timer.start_at(deadline, [this] { changed_.notify_all(); });
      co_await changed_.wait();
    }
    if (!parts_.empty()) {
      std::string part = std::move(parts_.front());
      parts_.pop_front();
      size_ -= part.size();
      changed_.notify_all();
      co_return std::optional<std::string>(std::move(part));
    }
    if (failure_) co_return fail(*failure_);
    co_return std::optional<std::string>();
  }

  /// Completes when less than `limit` bytes wait, or the body is over.
  async::Task<> room(std::size_t limit) {
    while (size_ >= limit && !over_ && !failure_) co_await changed_.wait();
  }

 private:
  async::Loop& loop_;
  std::deque<std::string> parts_;
  std::size_t size_ = 0;
  bool over_ = false;
  std::optional<Error> failure_;
  async::Condition changed_;
};

}  // namespace swarm::http
