#include "protocol/async/loop.hpp"

#include <cassert>
#include <cstdlib>

#include "protocol/async/timer.hpp"

namespace swarm::async {
namespace {

constexpr int kBatchesARound = 4;
// What those that give way may take of a round together: longer than a look at the sockets costs (some microseconds),
// shorter than a peer would notice.
constexpr std::chrono::microseconds kPatientSlice(100);

}  // namespace

Loop::Loop(const Clock& clock) : clock_(clock) {
  if (uv_loop_init(&uv_) != 0) std::abort();  // out of descriptors or memory at start: nothing can work
  uv_async_init(&uv_, &posted_signal_, [](uv_async_t* handle) { static_cast<Loop*>(handle->data)->take_posted(); });
  uv_timer_init(&uv_, &wakeup_);
  posted_signal_.data = this;
  wakeup_.data = this;
}

Loop::~Loop() {
  take_posted();
  uv_close(reinterpret_cast<uv_handle_t*>(&posted_signal_), nullptr);  // NOLINT: libuv's own way to a base handle
  uv_close(reinterpret_cast<uv_handle_t*>(&wakeup_), nullptr);         // NOLINT
  uv_run(&uv_, UV_RUN_DEFAULT);
  run_ready();
  const int closed = uv_loop_close(&uv_);
  assert(closed == 0 && "a handle outlived its loop");
  static_cast<void>(closed);
}

void Loop::run() {
  stopped_ = false;
  while (!stopped_) run_round(UV_RUN_ONCE);
}

void Loop::run_until_idle() {
  for (;;) {
    const bool waiting = !ready_.empty() || !patient_.empty() || !calls_.empty();
    run_round(work_in_flight_ > 0 && !waiting ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    const bool due = !timers_.empty() && timers_.begin()->first <= clock_.now();
    if (ready_.empty() && patient_.empty() && calls_.empty() && !due && work_in_flight_ == 0) return;
  }
}

std::optional<MonoTime> Loop::next_timer() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

void Loop::post(std::function<void()> call) { calls_.push_back(std::move(call)); }

void Loop::post_from_thread(std::function<void()> call) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(call));
  }
  uv_async_send(&posted_signal_);
}

void Loop::run_round(uv_run_mode mode) {
  ++round_;
  run_due_timers();
  if (!ready_.empty() || !patient_.empty() || !calls_.empty() || stopped_) mode = UV_RUN_NOWAIT;
  if (mode == UV_RUN_ONCE) arm_wakeup();
  uv_run(&uv_, mode);
  // Short chains (an answer wakes a waiter wakes a task) end in one round; long ones let I/O in between.
  std::optional<MonoTime> slice_end;
  for (int batch = 0; batch < kBatchesARound; ++batch) {
    if (ready_.empty() && calls_.empty() && patient_.empty()) return;
    run_ready();
    if (patient_.empty()) continue;
    if (!slice_end) slice_end = clock_.now() + kPatientSlice;
    if (batch == 0 || clock_.now() < *slice_end) run_patient(*slice_end);
  }
}

void Loop::run_ready() {
  // Only what was ready at the start: work that makes itself ready again waits for the next round, after I/O.
  WaitList batch;
  batch.splice_back(ready_);
  std::vector<std::function<void()>> calls;
  calls.swap(calls_);
  for (auto& call : calls) call();
  while (Waiter* waiter = batch.pop_front()) waiter->fire();
}

void Loop::run_patient(MonoTime until) {
  // Each once at most: what gives way again comes behind the mark.
  Waiter mark;
  patient_.push_back(mark);
  for (Waiter* next = patient_.pop_front(); next != &mark; next = patient_.pop_front()) {
    next->fire();
    if (clock_.now() >= until) return;
  }
}

void Loop::run_due_timers() {
  if (timers_.empty()) return;
  const MonoTime now = clock_.now();
  while (!timers_.empty() && timers_.begin()->first <= now) timers_.begin()->second->expire();
}

void Loop::arm_wakeup() {
  const std::optional<MonoTime> next = next_timer();
  if (next == armed_for_) return;
  armed_for_ = next;
  if (!next) {
    uv_timer_stop(&wakeup_);
    return;
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.now()).count();
  uv_update_time(&uv_);
  // libuv looks at timers before it waits, too. One that was due already by then has been and gone when the wait
  // begins, and nothing would end it: so that round is told not to wait.
  uv_timer_start(
      &wakeup_,
      [](uv_timer_t* timer) {
        static_cast<Loop*>(timer->data)->armed_for_.reset();
        uv_stop(timer->loop);
      },
      static_cast<std::uint64_t>(std::max<std::int64_t>(wait, 0)), 0);
}

void Loop::take_posted() {
  std::vector<std::function<void()>> taken;
  {
    const std::lock_guard lock(posted_mutex_);
    taken.swap(posted_);
  }
  for (auto& call : taken) calls_.push_back(std::move(call));
}

}  // namespace swarm::async
