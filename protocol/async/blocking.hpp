#pragma once

#include <exception>
#include <type_traits>

#include "protocol/async/event.hpp"

namespace swarm::async {

namespace detail {

/// Type-erased thread-pool job. libuv holds it until the work is back on the loop; a job whose awaiter is gone still
/// runs to its end, and its result is dropped. So a job owns all that it touches.
class BlockingJob {
 public:
  explicit BlockingJob(Loop& loop) : loop_(loop) {}
  BlockingJob(const BlockingJob&) = delete;
  BlockingJob& operator=(const BlockingJob&) = delete;
  virtual ~BlockingJob() = default;

  static void submit(std::shared_ptr<BlockingJob> job);
  void set_waiter(Waiter* waiter) { waiter_ = waiter; }
  [[nodiscard]] bool finished() const { return finished_; }

 protected:
  virtual void work() noexcept = 0;

 private:
  Loop& loop_;
  Waiter* waiter_ = nullptr;
  bool finished_ = false;
};

template <class F>
class BlockingCall final : public BlockingJob {
 public:
  using R = std::invoke_result_t<F&>;
  BlockingCall(Loop& loop, F fn) : BlockingJob(loop), fn_(std::move(fn)) {}

  R take() {
    if (exception_) std::rethrow_exception(exception_);
    if constexpr (!std::is_void_v<R>) return std::move(*result_);
  }

 private:
  void work() noexcept override {
    try {
      if constexpr (std::is_void_v<R>) {
        fn_();
      } else {
        result_.emplace(fn_());
      }
    } catch (...) {
      exception_ = std::current_exception();
    }
  }

  F fn_;
  std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> result_;
  std::exception_ptr exception_;
};

}  // namespace detail

/// Runs `fn` on the thread pool and completes with what it returns (or throws). For anything that blocks or computes
/// for more than a millisecond. Dropping the task does not stop the work, it only forgets the result: `fn` must own
/// everything that it touches, and never point into a frame or object that can die.
template <class F>
Task<std::invoke_result_t<F&>> run_blocking(Loop& loop, F fn) {
  struct Awaiter {
    detail::BlockingJob& job;
    Waiter waiter;
    explicit Awaiter(detail::BlockingJob& j) : job(j) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() { job.set_waiter(nullptr); }
    [[nodiscard]] bool await_ready() const { return job.finished(); }
    void await_suspend(std::coroutine_handle<> h) {
      waiter.set_handle(h);
      job.set_waiter(&waiter);
    }
    void await_resume() const noexcept {}
  };
  // Shared by this frame and by libuv's queue, because either may end first.
  auto job = std::make_shared<detail::BlockingCall<F>>(loop, std::move(fn));
  detail::BlockingJob::submit(job);
  co_await Awaiter(*job);
  co_return job->take();
}

}  // namespace swarm::async
