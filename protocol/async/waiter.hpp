#pragma once
// The one building block under every awaiter: a node that sits in at most one list (somebody's waiting list, or the
// loop's ready queue) and leaves it by itself when it is destroyed. Cancelling a coroutine is destroying its frame; the
// awaiter in the frame dies, its node unlinks, and nobody will resume what is gone.

#include <coroutine>

namespace swarm::async {

class WaitList;

/// A suspended coroutine, or a call, that can be made ready. Not movable: lists point at it.
class Waiter {
 public:
  Waiter() = default;
  explicit Waiter(std::coroutine_handle<> handle) : handle_(handle) {}
  /// A plain call instead of a coroutine; `argument` must outlive this node.
  Waiter(void (*call)(void*), void* argument) : call_(call), argument_(argument) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { unlink(); }

  void set_handle(std::coroutine_handle<> handle) { handle_ = handle; }
  [[nodiscard]] bool linked() const { return next_ != this; }
  void unlink() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

  /// Runs what waits here. Only the loop calls it, from its top.
  void fire() {
    if (call_ != nullptr) {
      call_(argument_);
    } else {
      handle_.resume();
    }
  }

 private:
  friend class WaitList;
  Waiter* prev_ = this;
  Waiter* next_ = this;
  std::coroutine_handle<> handle_;
  void (*call_)(void*) = nullptr;
  void* argument_ = nullptr;
};

/// A FIFO of waiters. Destroying it forgets them: they are never resumed.
class WaitList {
 public:
  WaitList() = default;
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;
  ~WaitList() {
    while (!empty()) head_.next_->unlink();
  }

  [[nodiscard]] bool empty() const { return !head_.linked(); }

  /// Appends; a waiter that sits in another list leaves it first.
  void push_back(Waiter& waiter) {
    waiter.unlink();
    waiter.prev_ = head_.prev_;
    waiter.next_ = &head_;
    head_.prev_->next_ = &waiter;
    head_.prev_ = &waiter;
  }

  /// The first waiter, taken out; null when empty.
  Waiter* pop_front() {
    if (empty()) return nullptr;
    Waiter* first = head_.next_;
    first->unlink();
    return first;
  }

  /// The last waiter, taken out; null when empty.
  Waiter* pop_back() {
    if (empty()) return nullptr;
    Waiter* last = head_.prev_;
    last->unlink();
    return last;
  }

  /// Takes everything from `other`, in order, behind what is here.
  void splice_back(WaitList& other) {
    while (Waiter* waiter = other.pop_front()) push_back(*waiter);
  }

 private:
  Waiter head_;
};

}  // namespace swarm::async
