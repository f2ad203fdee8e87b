#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "protocol/async/loop.hpp"

namespace swarm::wire {

/// What all sessions of a process may buffer together, beyond the small amount that each has for itself (so that one
/// that is stuck never starves the others). Must outlive its sessions. When it is used up, writers wait.
class SessionBudget {
 public:
  /// The size of the shared read buffers.
  static constexpr std::size_t kReadBuffer = std::size_t{128} << 10U;

  SessionBudget(async::Loop& loop, std::size_t total_bytes) : loop_(loop), total_(total_bytes) {}
  SessionBudget(const SessionBudget&) = delete;
  SessionBudget& operator=(const SessionBudget&) = delete;
  ~SessionBudget() = default;

  /// Takes up to `wanted` bytes; what was granted.
  std::size_t take(std::size_t wanted);

  /// Takes `wanted` bytes for a larger receive window, or nothing. Windows never take more than half of the budget:
  /// they are promises to peers, held for a session's life.
  bool take_window(std::size_t wanted);

  void give_back(std::size_t bytes);
  void give_back_window(std::size_t bytes);

  [[nodiscard]] std::size_t available() const { return total_ - used_; }
  [[nodiscard]] std::size_t used() const { return used_; }

  /// Queues `waiter` until something is given back.
  void wait(async::Waiter& waiter) { waiting_.push_back(waiter); }

  using Buffer = std::unique_ptr<std::byte[]>;  // NOLINT(*-avoid-c-arrays): not zeroed
  /// A read buffer of `kReadBuffer` bytes. A session holds one only while data pours in; a few are kept for reuse.
  Buffer take_buffer();
  void give_back_buffer(Buffer buffer);

 private:
  async::Loop& loop_;
  std::size_t total_;
  std::size_t used_ = 0;
  std::size_t windows_ = 0;  // the part of used_ that is promised to peers
  async::WaitList waiting_;
  std::vector<Buffer> buffers_;
};

}  // namespace swarm::wire
