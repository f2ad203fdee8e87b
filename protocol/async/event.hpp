#pragma once

#include "protocol/async/loop.hpp"

namespace swarm::async {

/// A flag that coroutines wait for. Once set, everybody who waits or comes later goes on, until `reset()`.
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}

  void set() {
    set_ = true;
    while (Waiter* waiter = waiting_.pop_front()) loop_.make_ready(*waiter);
  }
  void reset() { set_ = false; }
  [[nodiscard]] bool is_set() const { return set_; }

  /// Awaitable; completes at once when set.
  auto wait() {
    struct Awaiter {
      Event& event;
      Waiter waiter;
      [[nodiscard]] bool await_ready() const noexcept { return event.set_; }
      void await_suspend(std::coroutine_handle<> h) {
        waiter.set_handle(h);
        event.waiting_.push_back(waiter);
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this, {}};
  }

 private:
  Loop& loop_;
  WaitList waiting_;
  bool set_ = false;
};

/// A signal without memory: wakes those who wait now. For "something changed, look again" loops.
class Condition {
 public:
  explicit Condition(Loop& loop) : loop_(loop) {}

  void notify_all() {
    while (Waiter* waiter = waiting_.pop_front()) loop_.make_ready(*waiter);
  }
  void notify_one() {
    if (Waiter* waiter = waiting_.pop_front()) loop_.make_ready(*waiter);
  }

  /// Awaitable; completes at the next notification.
  auto wait() {
    struct Awaiter {
      Condition& condition;
      Waiter waiter;
      [[nodiscard]] bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> h) {
        waiter.set_handle(h);
        condition.waiting_.push_back(waiter);
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this, {}};
  }

 private:
  Loop& loop_;
  WaitList waiting_;
};

/// A FIFO turn: changes to one thing pass one after the other, in the order in which they asked.
class Turn {
 public:
  explicit Turn(Loop& loop) : loop_(loop) {}

  /// Holds the turn until it is destroyed.
  class [[nodiscard]] Guard {
   public:
    explicit Guard(Turn* turn) : turn_(turn) {}
    Guard(Guard&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
      if (turn_ != nullptr) turn_->pass_on();
    }

   private:
    Turn* turn_;
  };

  /// Awaitable that gives a `Guard`: `const auto turn = co_await sandbox.turn.take();`
  auto take() {
    struct Awaiter {
      Turn& turn;
      Place place;
      explicit Awaiter(Turn& t) : turn(t) {}
      Awaiter(const Awaiter&) = delete;
      Awaiter& operator=(const Awaiter&) = delete;
      /// Dropped between being handed the turn and running: the next one gets it.
      ~Awaiter() {
        if (place.handed_over) turn.pass_on();
      }
      bool await_ready() {
        if (turn.held_) return false;
        turn.held_ = true;
        return true;
      }
      void await_suspend(std::coroutine_handle<> h) {
        place.set_handle(h);
        turn.waiting_.push_back(place);
      }
      Guard await_resume() {
        place.handed_over = false;
        return Guard(&turn);
      }
    };
    return Awaiter(*this);
  }

 private:
  struct Place : Waiter {
    bool handed_over = false;
  };

  void pass_on() {
    auto* next = static_cast<Place*>(waiting_.pop_front());
    if (next == nullptr) {
      held_ = false;
      return;
    }
    next->handed_over = true;
    loop_.make_ready(*next);
  }

  Loop& loop_;
  WaitList waiting_;
  bool held_ = false;
};

}  // namespace swarm::async
