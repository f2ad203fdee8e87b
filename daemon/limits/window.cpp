#include "daemon/limits/window.hpp"

#include <algorithm>

namespace swarm::limits {
namespace {

// The far end's span may have both its ends in it.
constexpr Duration kHalfOpen{1};
// Stands for what nobody knows of; admissions are numbered from 1.
constexpr std::uint64_t kFilled = 0;

}  // namespace

void Window::forget(MonoTime now) {
  while (!by_time_.empty() && by_time_.begin()->first + per_ + kHalfOpen <= now) {
    const auto gone = sent_.find(by_time_.begin()->second);
    total_ -= gone->second.weight;
    sent_.erase(gone);
    by_time_.erase(by_time_.begin());
  }
}

MonoTime Window::when(std::uint64_t weight, MonoTime now) const {
  if (most_ == 0) return now;
  std::uint64_t left = total_;
  MonoTime free = now;
  for (auto it = by_time_.begin(); it != by_time_.end() && left + weight > most_; ++it) {
    left -= sent_.at(it->second).weight;
    free = std::max(free, it->first + per_ + kHalfOpen);
  }
  return free;
}

void Window::sent(std::uint64_t admission, std::uint64_t weight, MonoTime now) {
  if (most_ == 0) return;
  forget(now);
  sent_.emplace(admission, Sent{.arrives = now + guard_, .weight = weight});
  by_time_.emplace(now + guard_, admission);
  total_ += weight;
}

void Window::answered(std::uint64_t admission, MonoTime now) {
  const auto found = sent_.find(admission);
  if (found == sent_.end() || found->second.arrives <= now) return;
  by_time_.erase({found->second.arrives, admission});
  found->second.arrives = now;
  by_time_.emplace(now, admission);
}

void Window::give_back(std::uint64_t admission) {
  const auto found = sent_.find(admission);
  if (found == sent_.end()) return;
  total_ -= found->second.weight;
  by_time_.erase({found->second.arrives, admission});
  sent_.erase(found);
}

void Window::fill(MonoTime now) {
  give_back(kFilled);
  if (total_ < most_) sent(kFilled, most_ - total_, now);
}

void Window::spare(std::uint64_t weight) {
  const auto found = sent_.find(kFilled);
  if (found == sent_.end()) return;
  const std::uint64_t spared = std::min(weight, found->second.weight);
  found->second.weight -= spared;
  total_ -= spared;
}

bool Window::is_filled(MonoTime now) const {
  const auto found = sent_.find(kFilled);
  return found != sent_.end() && found->second.arrives + per_ + kHalfOpen > now;
}

void Window::change(std::uint64_t most, Duration per, Duration guard) {
  most_ = most;
  per_ = per;
  guard_ = guard;
  if (most_ != 0) return;
  sent_.clear();
  by_time_.clear();
  total_ = 0;
}

}  // namespace swarm::limits
