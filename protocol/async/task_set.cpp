#include "protocol/async/task_set.hpp"

#include <exception>

namespace swarm::async {

struct TaskSet::Driver {
  struct promise_type {
    Waiter start;  // in the ready queue until the first resume
    struct Place : Waiter {
      Driver::promise_type* promise = nullptr;
    } place;  // in `running_` or `finished_`
    TaskSet& set;

    promise_type(Task<>& /*task*/, TaskSet& owner) : set(owner) { place.promise = this; }
    Driver get_return_object() { return {this}; }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() noexcept {
      struct Final {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
          Driver driver{&self.promise()};
          self.promise().set.finished(driver);
        }
        void await_resume() const noexcept {}
      };
      return Final{};
    }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
    void destroy() { std::coroutine_handle<promise_type>::from_promise(*this).destroy(); }
  };
  promise_type* promise;
};

TaskSet::Driver TaskSet::drive(Task<> task, TaskSet& /*set*/) { co_await std::move(task); }

TaskSet::Ticket TaskSet::spawn(Task<> task) {
  Driver driver = drive(std::move(task), *this);
  auto& promise = *driver.promise;
  ++size_;
  empty_.reset();
  running_.push_back(promise.place);
  promise.start.set_handle(std::coroutine_handle<Driver::promise_type>::from_promise(promise));
  loop_.make_ready(promise.start);
  return Ticket(&promise);
}

void TaskSet::cancel(Ticket ticket) {
  if (--size_ == 0) empty_.set();
  static_cast<Driver::promise_type*>(ticket.driver_)->destroy();
}

void TaskSet::finished(Driver& driver) {
  finished_.push_back(driver.promise->place);
  if (--size_ == 0) empty_.set();
  if (!reaper_.linked()) loop_.make_ready(reaper_);
}

void TaskSet::reap() {
  while (Waiter* place = finished_.pop_front()) {
    static_cast<Driver::promise_type::Place*>(place)->promise->destroy();
  }
}

void TaskSet::cancel_all() {
  reap();
  while (Waiter* place = running_.pop_back()) {
    --size_;
    static_cast<Driver::promise_type::Place*>(place)->promise->destroy();
  }
  empty_.set();
}

Task<> TaskSet::join() { co_await empty_.wait(); }

}  // namespace swarm::async
