#pragma once

#include <cstddef>
#include <span>

#include "protocol/async/event.hpp"
#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::async {

/// Watches a descriptor for readiness; does not own it. The watcher must go before the descriptor is closed. Works for
/// sockets, pipes, terminals, pidfds, inotify; not for regular files (`watchable` says so).
class FdWatcher {
 public:
  FdWatcher(Loop& loop, int fd);
  FdWatcher(const FdWatcher&) = delete;
  FdWatcher& operator=(const FdWatcher&) = delete;
  ~FdWatcher();

  /// False for regular files and directories, which are always ready.
  [[nodiscard]] bool watchable() const { return poll_ != nullptr; }

  /// Awaitable: completes when a read would not block (data, end, or error). Several may wait; all are woken.
  auto readable() { return Awaiter{*this, UV_READABLE, readers_, {}}; }
  /// Awaitable: completes when a write would not block.
  auto writable() { return Awaiter{*this, UV_WRITABLE, writers_, {}}; }
  /// Awaitable: completes when the peer of a socket has ended its direction or both, even with bytes still unread.
  auto disconnected() { return Awaiter{*this, UV_DISCONNECT, disconnected_, {}}; }

  /// Wakes those who wait to read, as if there were something: for an owner who has news for them.
  void wake_readers() {
    while (Waiter* waiter = readers_.pop_front()) loop_.make_ready(*waiter);
  }

 private:
  struct Awaiter {
    FdWatcher& watcher;
    int events;
    WaitList& list;
    Waiter waiter;
    [[nodiscard]] bool await_ready() const noexcept { return !watcher.watchable(); }
    void await_suspend(std::coroutine_handle<> h) {
      waiter.set_handle(h);
      list.push_back(waiter);
      watcher.arm(watcher.armed_ | events);
    }
    void await_resume() const noexcept {}
  };

  void arm(int events);
  void on_events(int status, int events);

  Loop& loop_;
  uv_poll_t* poll_ = nullptr;  // freed by libuv's close callback
  WaitList readers_;
  WaitList writers_;
  WaitList disconnected_;
  int armed_ = 0;
};

/// A non-blocking descriptor as a byte stream. Regular files are read and written on the thread pool.
class Fd {
 public:
  /// Takes the descriptor and makes it non-blocking.
  Fd(Loop& loop, UniqueFd fd);
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() = default;

  [[nodiscard]] int get() const { return fd_.get(); }

  /// Reads what is there, at most `into.size()` bytes; 0 is the end. A terminal's EIO is its end. `into` must live
  /// until the task ends. One reader at a time.
  Task<Result<std::size_t>> read(std::span<std::byte> into);

  /// Writes everything; waits while the other side is slow. One writer at a time.
  Task<Result<void>> write(std::span<const std::byte> bytes);

  /// Writes what fits now, without waiting: the number of bytes taken, 0 when full. Not for regular files.
  Result<std::size_t> try_write(std::span<const std::byte> bytes);

  /// Awaitable: completes when `try_write` may take something.
  auto writable() { return watcher_.writable(); }
  /// Awaitable: completes when the peer of a socket has gone; see FdWatcher.
  auto disconnected() { return watcher_.disconnected(); }

 private:
  /// True when this descriptor has had its share of the loop's round and should let others run.
  bool over_share();

  Loop& loop_;
  UniqueFd fd_;
  FdWatcher watcher_;     // after fd_: it must go first
  bool drained_ = false;  // the last read took all that was there
  std::uint64_t share_round_ = 0;
  int share_used_ = 0;
};

}  // namespace swarm::async
