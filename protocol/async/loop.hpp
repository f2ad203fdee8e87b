#pragma once
// The event loop: libuv underneath, coroutines on top.
//
// A libuv callback never resumes a coroutine. It moves waiters into the ready queue, and the loop resumes them from its
// top, between two rounds of libuv. So no coroutine runs inside a C frame, and none is destroyed under its own feet.
//
//   round:  call timers that are due -> one uv_run (blocks only when nothing is ready) -> resume what is ready -> for a
//           slice of time, what gave way
//
// One thread owns a loop and everything on it; `post_from_thread` is the only door for others.

#include <uv.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "protocol/async/task.hpp"
#include "protocol/async/waiter.hpp"
#include "protocol/core/clock.hpp"

namespace swarm::async {

class Timer;

class Loop {
  /// Suspends at the end of a line.
  struct InLine {
    WaitList& line;
    Waiter waiter;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      waiter.set_handle(h);
      line.push_back(waiter);
    }
    void await_resume() const noexcept {}
  };

 public:
  /// `clock` decides what time timers see; it must outlive the loop. A `FakeClock` makes timers fire only when a test
  /// moves it.
  explicit Loop(const Clock& clock);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// Waits for handles that are closing and thread-pool work in flight. Everything on the loop must be gone before.
  ~Loop();

  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] uv_loop_t* raw() { return &uv_; }

  /// Runs until `stop()`.
  void run();
  void stop() { stopped_ = true; }

  /// Starts `task` and runs the loop until it is finished; for `main` and tests. Never call it from inside the loop.
  template <class T>
  T block_on(Task<T> task);

  /// Runs rounds without blocking until nothing is ready, no timer is due and no thread-pool work is in flight.
  void run_until_idle();

  /// When the earliest timer is due; for tests that drive a fake clock.
  [[nodiscard]] std::optional<MonoTime> next_timer() const;

  /// Queues a waiter: it is resumed in the next round, in order.
  void make_ready(Waiter& waiter) { ready_.push_back(waiter); }

  /// Calls `call` from the top of the loop, in the next round.
  void post(std::function<void()> call);

  /// The same from any thread. The loop must outlive the call.
  void post_from_thread(std::function<void()> call);

  /// Awaitable: lets everything else that is ready run first.
  auto yield() { return InLine{ready_, {}}; }

  /// Awaitable for work that has had its share and would go on: lets everything else run first, also what I/O brings
  /// in the meantime. All that give way share, in turns, a slice of each round (100 us), so that however many they
  /// are, a peer that asks for little waits for no more than the slice.
  auto give_way() { return InLine{patient_, {}}; }

  /// Counts rounds; lets busy streams notice that they have had their share of this one.
  [[nodiscard]] std::uint64_t round() const { return round_; }

  /// Work on other threads that will report to this loop; kept by `run_blocking` and the store.
  void work_started() { ++work_in_flight_; }
  void work_finished() { --work_in_flight_; }
  [[nodiscard]] std::size_t work_in_flight() const { return work_in_flight_; }

 private:
  friend class Timer;
  using Timers = std::multimap<MonoTime, Timer*>;

  void run_round(uv_run_mode mode);
  void run_ready();
  void run_patient(MonoTime until);
  void run_due_timers();
  void arm_wakeup();
  void take_posted();

  const Clock& clock_;
  uv_loop_t uv_{};
  uv_async_t posted_signal_{};
  uv_timer_t wakeup_{};
  WaitList ready_;
  WaitList patient_;  // what gives way
  Timers timers_;
  std::vector<std::function<void()>> calls_;
  std::optional<MonoTime> armed_for_;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by posted_mutex_
  std::uint64_t round_ = 0;
  std::size_t work_in_flight_ = 0;
  bool stopped_ = false;
};

namespace detail {

/// Drives one task from `block_on`; its frame lives on the caller's stack frame's heap object.
struct RootTask {
  struct promise_type {
    RootTask get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() { exception = std::current_exception(); }
    std::exception_ptr exception;
  };
  std::coroutine_handle<promise_type> frame;
};

template <class T>
RootTask run_root(Task<T>& task, std::optional<T>& out) {
  out.emplace(co_await std::move(task));
}
inline RootTask run_root(Task<void>& task, std::optional<std::monostate>& out) {
  co_await std::move(task);
  out.emplace();
}

}  // namespace detail

template <class T>
T Loop::block_on(Task<T> task) {
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> out;
  auto root = detail::run_root(task, out);
  const struct Destroy {
    std::coroutine_handle<detail::RootTask::promise_type> frame;
    ~Destroy() { frame.destroy(); }
  } destroy{root.frame};
  {
    Waiter start(root.frame);
    make_ready(start);
    while (!root.frame.done()) run_round(UV_RUN_ONCE);
  }
  if (root.frame.promise().exception) std::rethrow_exception(root.frame.promise().exception);
  if constexpr (!std::is_void_v<T>) return std::move(*out);
}

}  // namespace swarm::async
