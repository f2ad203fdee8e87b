#pragma once
// The asynchronous face of one swarm's coordination: steps run on the store's writer thread, their results and what
// others have to be told come back to the loop after the commit, in order.
//
//   loop                                   writer thread (one transaction)
//   in_tables(f), with_locks(f)  ------->  Coordination::step, events
//   waiting callers <--- notices ---------'
//
// A caller that goes away does not stop a step that was begun: what it did for others is told to them all the same.

#include <functional>
#include <memory>
#include <unordered_map>

#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/coord/coordination.hpp"
#include "protocol/store/store.hpp"

namespace swarm::coord {

struct HostOptions {
  CoordOptions coordination{};
  /// How the data of an event is encoded for the log; called on the writer's thread.
  std::function<std::string(const Value&)> encode;
  /// How often timers are looked after when none is known to be due: agents that fall silent are found so.
  std::chrono::milliseconds tick{5000};
};

/// Belongs to the loop's thread. The store must outlive it.
class Host {
 public:
  /// Reads the recorded time; blocks for a point read.
  static Result<std::unique_ptr<Host>> open(async::Loop& loop, store::Store& store, std::string swarm, Random& random,
                                            HostOptions options);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// Runs `f(Step&) -> Result<T>` in a transaction that is undone when it fails. Messages and whatever others act on
  /// are `Durability::power`. `Undo::with_batch`: `f` changes nothing before it has decided not to fail.
  template <class F>
  async::Task<std::invoke_result_t<F&, Step&>> in_tables(std::string_view name, store::Durability durability, F f,
                                                         store::Undo undo = store::Undo::alone) {
    using R = std::invoke_result_t<F&, Step&>;
    auto job = [c = core_, time = step_time(), f = std::move(f)](store::Changes& changes,
                                                                 StepReport& report) mutable -> Result<R> {
      auto result = c->coordination.in_tables(changes.db(), time, report, f);
      // A refusal undoes the job, so it is the job's own failure.
      if (!result) return fail(result.error());
      return Result<R>(std::move(result));
    };
    return run<R>(name, durability, std::move(job), undo);
  }

  /// Runs `f(Step&) -> Result<T>`, which may touch the locks; a refusal undoes nothing.
  template <class F>
  async::Task<std::invoke_result_t<F&, Step&>> with_locks(std::string_view name, F f) {
    using R = std::invoke_result_t<F&, Step&>;
    auto job = [c = core_, time = step_time(), f = std::move(f)](store::Changes& changes, StepReport& report) mutable {
      return c->coordination.with_locks(changes.db(), time, report, f);
    };
    return run<R>(name, store::Durability::process, std::move(job));
  }

  /// Takes a lock, or stands in line for up to `wait`. Dropping the task leaves the line; a lock that was granted in
  /// that moment is given back. `unavailable`: the line was lost with an undone step or the end of this host.
  async::Task<Result<Acquired>> acquire(LockRequest request, Span wait);

  /// The authority was paused this long, up to now.
  void resumed(Span paused);

  [[nodiscard]] StepTime step_time();
  /// Called after each commit that had some, with what happened, in order.
  void on_happenings(std::function<void(const std::vector<Happening>&)> call) { told_ = std::move(call); }

 private:
  /// Shared with jobs that are on the writer's thread when the host goes.
  struct Core {
    Coordination coordination;
    std::function<std::string(const Value&)> encode;
    Core(std::string swarm, CoordOptions options, Random& random, std::function<std::string(const Value&)> e)
        : coordination(std::move(swarm), std::move(options), random), encode(std::move(e)) {}
  };
  /// A caller in line. Owned by its own frame.
  struct Place {
    async::Event answered;
    std::optional<Result<Lease>> answer;
    explicit Place(async::Loop& loop) : answered(loop) {}
  };
  /// Where a step's result waits for a caller that may be gone.
  template <class R>
  struct Outcome {
    async::Event done;
    std::optional<R> result;
    explicit Outcome(async::Loop& loop) : done(loop) {}
  };
  class InLine;

  Host(async::Loop& loop, store::Store& store, std::shared_ptr<Core> core, LeaseClock clock, HostOptions options);

  template <class R, class Job>
  async::Task<R> run(std::string_view name, store::Durability durability, Job job,
                     store::Undo undo = store::Undo::alone) {
    auto outcome = std::make_shared<Outcome<R>>(loop_);
    steps_.spawn(carry_out<R>(this, name, durability, std::move(job), undo, outcome));
    co_await outcome->done.wait();
    co_return std::move(*outcome->result);
  }

  template <class R, class Job>
  static async::Task<> carry_out(Host* self, std::string_view name, store::Durability durability, Job job,
                                 store::Undo undo, std::shared_ptr<Outcome<R>> outcome) {
    auto written = self->store_.write(
        name, durability,
        [c = self->core_, job = std::move(job)](store::Changes& changes) mutable -> Result<std::pair<R, StepReport>> {
          StepReport report;
          Result<R> result = job(changes, report);
          if (!result) return fail(result.error());
          if (Result<void> logged = log(*c, changes, report); !logged) return fail(logged.error());
          return std::pair(std::move(*result), std::move(report));
        },
        undo);
    auto done = co_await std::move(written);
    if (done) {
      self->tell(done->second);
      outcome->result.emplace(std::move(done->first));
    } else {
      outcome->result.emplace(fail(done.error()));
    }
    outcome->done.set();
  }

  static Result<void> log(const Core& core, store::Changes& changes, const StepReport& report);
  void tell(const StepReport& report);
  void schedule(std::optional<Moment> next);
  void look_after();
  static async::Task<> serve_timers(Host* self);
  static async::Task<> leave_line(Host* self, std::string id, std::string owner);

  async::Loop& loop_;
  store::Store& store_;
  std::shared_ptr<Core> core_;  // shared with jobs on the writer's thread
  LeaseClock clock_;
  HostOptions options_;
  std::function<void(const std::vector<Happening>&)> told_;
  std::unordered_map<std::string, Place*> line_;
  std::optional<MonoTime> due_;
  bool serving_ = false;
  async::Timer timer_;
  async::TaskSet steps_;  // last: its tasks use the members above
};

}  // namespace swarm::coord
