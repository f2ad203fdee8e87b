#include "daemon/limits/bucket.hpp"

#include <algorithm>

namespace swarm::limits {

Bucket::Bucket(Rate rate, std::uint64_t burst, MonoTime now)
    : count_(rate.count), period_(rate.per.count()), burst_(burst), drained_(now) {}

Int128 Bucket::level_at(MonoTime now) const {
  if (now <= drained_) return level_;
  const Int128 gone = static_cast<Int128>((now - drained_).count()) * count_ * thousandths_;
  return std::max<Int128>(0, level_ - gone);
}

void Bucket::drain(MonoTime now) {
  level_ = level_at(now);
  drained_ = std::max(drained_, now);
}

bool Bucket::admit(std::uint64_t weight, MonoTime now) {
  drain(now);
  const Int128 after = level_ + cost(weight);
  if (after > cost(burst_)) return false;
  level_ = after;
  return true;
}

MonoTime Bucket::when(std::uint64_t weight, MonoTime now) const {
  const Int128 over = level_at(now) + cost(weight) - cost(burst_);
  const MonoTime from = std::max(now, drained_);
  if (over <= 0) return from;
  return from + Duration(static_cast<Duration::rep>(divide_up(over, count_ * thousandths_)));
}

void Bucket::give_back(std::uint64_t weight, MonoTime now) {
  drain(now);
  level_ = std::max<Int128>(0, level_ - cost(weight));
}

void Bucket::slow_to(std::uint32_t thousandths, MonoTime now) {
  drain(now);
  thousandths_ = std::clamp<std::uint32_t>(thousandths, 1, 1000);
}

void Bucket::change(Rate rate, std::uint64_t burst, MonoTime now) {
  drain(now);
  const Int128 period = rate.per.count();
  level_ = divide_up(level_ * period, period_);
  period_ = period;
  count_ = rate.count;
  burst_ = burst;
}

void Bucket::fill(MonoTime now) {
  drain(now);
  level_ = std::max(level_, cost(burst_));
}

std::uint64_t Bucket::level_millionths(MonoTime now) const {
  return static_cast<std::uint64_t>(divide_up(level_at(now) * 1'000'000, period_ * 1000));
}

void Bucket::set_level_millionths(std::uint64_t level, MonoTime now) {
  drained_ = std::max(drained_, now);
  level_ = divide_up(static_cast<Int128>(level) * period_ * 1000, 1'000'000);
}

}  // namespace swarm::limits
