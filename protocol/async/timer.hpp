#pragma once

#include <functional>

#include "protocol/async/event.hpp"
#include "protocol/async/loop.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/core/error.hpp"

namespace swarm::async {

/// One pending call. Destroying or re-arming it cancels. The callback runs at the top of the loop and may destroy the
/// timer itself.
class Timer {
 public:
  explicit Timer(Loop& loop) : loop_(loop) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }

  /// Calls `call` once, at `when` or as soon after as the loop can.
  void start_at(MonoTime when, std::function<void()> call);
  void start_after(Duration delay, std::function<void()> call) {
    start_at(loop_.clock().now() + delay, std::move(call));
  }
  void cancel();
  [[nodiscard]] bool pending() const { return position_.has_value(); }

 private:
  friend class Loop;
  void expire();

  Loop& loop_;
  std::function<void()> call_;
  std::optional<Loop::Timers::iterator> position_;
};

/// Completes at `when`.
Task<> sleep_until(Loop& loop, MonoTime when);

/// Completes after `delay`.
Task<> sleep_for(Loop& loop, Duration delay);

/// The result of `task`, or `deadline_exceeded` after `limit`; then `task` is dropped. `what` names the work in the
/// error: "exec: no answer within 5 s".
template <class T>
Task<Result<T>> with_timeout(Loop& loop, Task<Result<T>> task, Duration limit, std::string what);

/// "250 ms", "5 s", "2 min": for messages to people.
std::string format_duration(Duration duration);

namespace detail {

template <class T>
Task<> capture(Task<Result<T>> task, std::optional<Result<T>>& out, Event& done) {
  out.emplace(co_await std::move(task));
  done.set();
}

}  // namespace detail

template <class T>
Task<Result<T>> with_timeout(Loop& loop, Task<Result<T>> task, Duration limit, std::string what) {
  std::optional<Result<T>> out;
  Event done(loop);
  TaskSet scope(loop);
  Timer timer(loop);
  timer.start_after(limit, [&done] { done.set(); });
  scope.spawn(detail::capture<T>(std::move(task), out, done));
  co_await done.wait();
  if (out) co_return std::move(*out);
  co_return fail(Code::deadline_exceeded, what + ": no answer within " + format_duration(limit));
}

}  // namespace swarm::async
