#pragma once

#include <cstddef>

#include "protocol/async/event.hpp"
#include "protocol/async/loop.hpp"
#include "protocol/async/task.hpp"

namespace swarm::async {

/// Owns tasks that run side by side. Destroying the set drops every task that is not finished, newest first; so a set
/// is the last member of the object whose members its tasks use. A task never destroys the set it runs in. An exception
/// that leaves a task is a bug and ends the program.
class TaskSet {
 public:
  explicit TaskSet(Loop& loop) : loop_(loop), empty_(loop) { empty_.set(); }
  TaskSet(const TaskSet&) = delete;
  TaskSet& operator=(const TaskSet&) = delete;
  ~TaskSet() { cancel_all(); }

  /// Names one task for `cancel`, until it has finished.
  class Ticket {
   public:
    Ticket() = default;

   private:
    friend TaskSet;
    explicit Ticket(void* driver) : driver_(driver) {}
    void* driver_ = nullptr;
  };

  /// Starts `task` in the loop's next round.
  Ticket spawn(Task<> task);

  /// Drops one task, which must not have finished and is not the caller.
  void cancel(Ticket ticket);

  /// Tasks that have not finished.
  [[nodiscard]] std::size_t size() const { return size_; }

  /// Drops all tasks.
  void cancel_all();

  /// Completes when no task is left.
  Task<> join();

 private:
  struct Driver;
  static Driver drive(Task<> task, TaskSet& set);
  void finished(Driver& driver);
  void reap();

  Loop& loop_;
  Event empty_;
  WaitList running_;   // every driver that has not finished: a place to find and destroy it
  WaitList finished_;  // done, waiting to be destroyed from the top of the loop
  Waiter reaper_{[](void* self) { static_cast<TaskSet*>(self)->reap(); }, this};
  std::size_t size_ = 0;
};

}  // namespace swarm::async
