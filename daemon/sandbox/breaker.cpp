#include "daemon/sandbox/breaker.hpp"

#include <algorithm>

namespace swarm::sandbox {

Breaker::State Breaker::state() const {
  if (!open_) return State::closed;
  return probing_ || clock_.now() >= retry_at_ ? State::half_open : State::open;
}

bool Breaker::allow() {
  switch (state()) {
    case State::closed:
      return true;
    case State::open:
      return false;
    case State::half_open:
      break;
  }
  if (probing_) return false;
  probing_ = true;
  return true;
}

void Breaker::succeeded() {
  failures_ = 0;
  openings_ = 0;
  open_ = false;
  probing_ = false;
}

void Breaker::failed() {
  ++failures_;
  if (!probing_ && failures_ < options_.failures_to_open) return;
  probing_ = false;
  open_ = true;
  // Doubles with each opening: 5 s, 10 s, 20 s ... up to the longest.
  const int doublings = std::min(openings_++, 16);
  retry_at_ = clock_.now() + std::min(options_.first_pause * (1 << doublings), options_.longest_pause);
}

}  // namespace swarm::sandbox
