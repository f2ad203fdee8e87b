#pragma once
// A writer whose outcomes are collected on its own thread, and jobs made of functions.

#include <condition_variable>
#include <mutex>

#include "tests/unit/protocol/store/fixture.hpp"

namespace swarm::store {

/// Thread-safe collection of what a writer reports.
class Outcomes {
 public:
  void add(std::string name, Result<void> outcome) {
    const std::scoped_lock lock(mutex_);
    all_.emplace_back(std::move(name), std::move(outcome));
    changed_.notify_all();
  }
  void add_events(const std::vector<Event>& events) {
    const std::scoped_lock lock(mutex_);
    for (const Event& e : events) seqs_.push_back(e.seq);
  }
  void add_health(const Health& health) {
    const std::scoped_lock lock(mutex_);
    states_.push_back(health.state);
    changed_.notify_all();
  }

  /// Waits for `count` outcomes, at most 30 s; all that came.
  std::vector<std::pair<std::string, Result<void>>> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return all_.size() >= count; });
    return all_;
  }
  std::vector<Health::State> wait_states(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return states_.size() >= count; });
    return states_;
  }
  std::vector<std::int64_t> seqs() {
    const std::scoped_lock lock(mutex_);
    return seqs_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::string, Result<void>>> all_;
  std::vector<std::int64_t> seqs_;
  std::vector<Health::State> states_;
};

/// A job that calls a function and reports to `Outcomes` under its label.
class TestJob final : public WriteJob {
 public:
  using Function = std::function<Result<void>(Changes&)>;
  TestJob(Outcomes& outcomes, std::string label, Durability durability, Function function, Undo undo = Undo::alone)
      : WriteJob("test.job", durability, {1}, undo),
        outcomes_(outcomes),
        label_(std::move(label)),
        function_(std::move(function)) {}
  Result<void> run(Changes& changes) override { return function_(changes); }
  void finish(Result<void> outcome) override { outcomes_.add(label_, std::move(outcome)); }

 private:
  Outcomes& outcomes_;
  std::string label_;
  Function function_;
};

inline std::shared_ptr<WriteJob> note(Outcomes& outcomes, const std::string& text,
                                      Durability durability = Durability::process) {
  return std::make_shared<TestJob>(outcomes, text, durability, [text](Changes& changes) -> Result<void> {
    if (auto inserted = changes.db().run(kInsertNote, text); !inserted) return inserted;
    if (auto event = changes.append({.type = "note.added", .data = text}); !event) return fail(event.error());
    return {};
  });
}

/// Reports straight from the writer's thread.
inline WriterEvents to(Outcomes& outcomes) {
  return {.deliver = [](const std::function<void()>& call) { call(); },
          .appended = [&outcomes](const std::vector<Event>& events) { outcomes.add_events(events); },
          .health_changed = [&outcomes](const Health& health) { outcomes.add_health(health); },
          .batch_done = {}};
}

inline StoreIdentity test_self() { return {.store_id = "me", .epoch = 1}; }

/// Holds the writer inside a job until it is opened, so that a test decides what gathers behind it.
class Gate {
 public:
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_until_entered() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return entered_; });
  }
  /// Called from the thread that is to be held.
  void enter() {
    std::unique_lock lock(mutex_);
    entered_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  std::shared_ptr<WriteJob> job(Outcomes& outcomes) {
    return std::make_shared<TestJob>(outcomes, "gate", Durability::process, [this](Changes&) -> Result<void> {
      enter();
      return {};
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool entered_ = false;
  bool open_ = false;
};

}  // namespace swarm::store
