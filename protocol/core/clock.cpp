#include "protocol/core/clock.hpp"

#include <ctime>

namespace swarm {
namespace {

Duration read(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

MonoTime SystemClock::now() const { return {read(CLOCK_BOOTTIME)}; }

WallTime SystemClock::wall() const {
  return {std::chrono::duration_cast<std::chrono::microseconds>(read(CLOCK_REALTIME)).count()};
}

void FakeClock::advance(Duration d) {
  using std::chrono::microseconds;
  // By what both have passed: many small steps must not take one clock away from the other.
  const auto before = std::chrono::floor<microseconds>(now_.since_boot);
  now_ = now_ + d;
  wall_.us += (std::chrono::floor<microseconds>(now_.since_boot) - before).count();
}

}  // namespace swarm
