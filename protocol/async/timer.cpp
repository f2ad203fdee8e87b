#include "protocol/async/timer.hpp"

#include <fmt/format.h>

namespace swarm::async {

void Timer::start_at(MonoTime when, std::function<void()> call) {
  cancel();
  call_ = std::move(call);
  position_ = loop_.timers_.emplace(when, this);
}

void Timer::cancel() {
  if (position_) loop_.timers_.erase(*std::exchange(position_, std::nullopt));
}

void Timer::expire() {
  cancel();
  const auto call = std::move(call_);  // on the stack: the callback may destroy this timer
  call();
}

Task<> sleep_until(Loop& loop, MonoTime when) {
  Event due(loop);
  Timer timer(loop);
  timer.start_at(when, [&due] { due.set(); });
  co_await due.wait();
}

Task<> sleep_for(Loop& loop, Duration delay) {
  const MonoTime when = loop.clock().now() + delay;
  co_await sleep_until(loop, when);
}

std::string format_duration(Duration duration) {
  using namespace std::chrono;
  if (duration < 10s) return fmt::format("{} ms", duration_cast<milliseconds>(duration).count());
  if (duration < 10min) return fmt::format("{} s", duration_cast<seconds>(duration).count());
  return fmt::format("{} min", duration_cast<minutes>(duration).count());
}

}  // namespace swarm::async
