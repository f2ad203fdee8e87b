#include "protocol/wire/session_budget.hpp"

#include <cassert>

namespace swarm::wire {
namespace {

constexpr std::size_t kBuffersKept = 4;

}  // namespace

std::size_t SessionBudget::take(std::size_t wanted) {
  const std::size_t granted = std::min(wanted, available());
  used_ += granted;
  return granted;
}

bool SessionBudget::take_window(std::size_t wanted) {
  if (wanted > available() || windows_ + wanted > total_ / 2) return false;
  used_ += wanted;
  windows_ += wanted;
  return true;
}

void SessionBudget::give_back(std::size_t bytes) {
  if (bytes == 0) return;
  assert(bytes <= used_);
  used_ -= bytes;
  while (async::Waiter* waiter = waiting_.pop_front()) loop_.make_ready(*waiter);
}

void SessionBudget::give_back_window(std::size_t bytes) {
  assert(bytes <= windows_);
  windows_ -= bytes;
  give_back(bytes);
}

SessionBudget::Buffer SessionBudget::take_buffer() {
  if (buffers_.empty()) return std::make_unique_for_overwrite<std::byte[]>(kReadBuffer);  // NOLINT(*-avoid-c-arrays)
  Buffer buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void SessionBudget::give_back_buffer(Buffer buffer) {
  if (buffers_.size() < kBuffersKept) buffers_.push_back(std::move(buffer));
}

}  // namespace swarm::wire
