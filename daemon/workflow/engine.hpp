#pragma once
// The engine: carries out what turns decide, and begins turns when deadlines pass. All that it knows is in the store; a
// new engine on the same store goes on where the one before was cut off.
//
//   loop                                     writer thread (one transaction)
//   change(f) ----------------------------->  f(turn), events, the time
//   perform open steps, arm the timer  <----'
//      ports.merge(...) ... its outcome --->  step_done, settle
//
// What it must not know: msgpack, sandboxes, git.

#include <list>
#include <unordered_map>
#include <unordered_set>

#include "daemon/workflow/flow.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/coord/moment.hpp"
#include "protocol/store/store.hpp"

namespace swarm::workflow {

struct EngineOptions {
  /// The first pause after a step failed for now; doubled each time.
  std::chrono::milliseconds retry_first{500};
  std::chrono::milliseconds retry_most{std::chrono::minutes(1)};
  /// Then a step that fails for now has failed.
  std::uint32_t tries = 12;
  /// Called on the loop after each step's outcome is recorded, and before it is begun; tests kill there.
  std::function<void(const std::string& key, bool before)> watch{};
};

/// Belongs to the loop's thread. Store, random source and ports must outlive it.
class Engine {
 public:
  Engine(async::Loop& loop, store::Store& store, Random& random, Ports& ports, EngineOptions options = {});
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Goes on with every run that is under way. Once, before anything else.
  async::Task<Result<void>> recover();

  /// Runs `f(Turn&) -> Result<R>` in a transaction; a refusal undoes it. What it decided is carried out after the
  /// commit. Dropping the task does not stop what was begun.
  template <class R, class F>
  async::Task<Result<R>> change(std::string_view name, store::Durability durability, F f) {
    auto outcome = std::make_shared<Outcome<R>>(loop_);
    changes_.spawn(carry_out<R, F>(this, name, durability, std::move(f), outcome));
    co_await outcome->done.wait();
    co_return std::move(*outcome->result);
  }

  /// Runs `f(Turn&) -> Result<R>`, which changes nothing, now.
  template <class F>
  std::invoke_result_t<F&, Turn&> look(F f) {
    Turn turn(store_.reader(), clock_.now().us, clock_.paused().count(), random_, *definitions_);
    auto result = f(turn);
    if (turn.trouble()) return fail(*turn.trouble());
    return result;
  }

  /// Waits until something has changed in the swarm since `seen`, or until `until`.
  async::Task<> changed_since(std::string swarm, std::uint64_t seen, MonoTime until);
  /// Grows with every change.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

  // What others tell the engine.
  async::Task<Result<api::RunInfo>> start(RunSpec spec);
  /// Agents of a swarm have ended or are lost.
  async::Task<Result<void>> agent_gone(std::string swarm, std::string agent, std::string why);
  /// One has come back, or joins a run.
  async::Task<Result<void>> agent_here(std::string swarm, api::RunAgent agent);
  /// The tunnel to a swarm's sandbox broke, or is there again.
  async::Task<Result<void>> offline(std::string swarm);
  async::Task<Result<void>> online(std::string swarm);
  /// The machine, or the engine, stood still for so long, up to now.
  void resumed(std::chrono::microseconds paused);

  /// Steps that are being carried out now.
  [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }
  [[nodiscard]] async::Loop& loop() { return loop_; }

 private:
  template <class R>
  struct Outcome {
    async::Event done;
    std::optional<Result<R>> result;
    explicit Outcome(async::Loop& loop) : done(loop) {}
  };
  /// What comes back from the writer's thread.
  template <class R>
  struct Report {
    Result<R> result;
    std::set<std::string, std::less<>> touched;
  };
  struct Waiting {
    async::Event woken;
    std::string swarm;
    explicit Waiting(async::Loop& loop) : woken(loop) {}
  };

  static Result<void> finish(store::Changes& changes, Turn& turn);

  template <class R, class F>
  static Result<Report<R>> in_turn(store::Changes& changes, std::int64_t now_us, std::int64_t paused_us, Random& random,
                                   Definitions& definitions, F& f) {
    Turn turn(changes.db(), now_us, paused_us, random, definitions);
    Result<R> result = f(turn);
    if (turn.trouble()) return fail(*turn.trouble());
    if (!result && !turn.kept()) return fail(result.error());
    if (auto finished = finish(changes, turn); !finished) return fail(finished.error());
    return Report<R>{.result = std::move(result), .touched = turn.touched()};
  }

  template <class R, class F>
  static async::Task<> carry_out(Engine* self, std::string_view name, store::Durability durability, F f,
                                 std::shared_ptr<Outcome<R>> outcome) {
    auto written = self->store_.write(
        name, durability,
        [f = std::move(f), now = self->clock_.now().us, paused = self->clock_.paused().count(), &random = self->random_,
         definitions = self->definitions_](store::Changes& changes) mutable -> Result<Report<R>> {
          return in_turn<R, F>(changes, now, paused, random, *definitions, f);
        });
    auto report = co_await std::move(written);
    if (report) {
      self->committed(report->touched);
      outcome->result.emplace(std::move(report->result));
    } else {
      outcome->result.emplace(fail(report.error()));
    }
    outcome->done.set();
  }

  void committed(const std::set<std::string, std::less<>>& touched);
  void pump(const std::string& run);
  void arm();
  void look_after();
  static async::Task<> serve_deadlines(Engine* self);
  static async::Task<> perform(Engine* self, std::string swarm, Step step);
  async::Task<Result<Value>> act(StepKey key, Step step);

  async::Loop& loop_;
  store::Store& store_;
  Random& random_;
  Ports& ports_;
  EngineOptions options_;
  coord::LeaseClock clock_;
  std::shared_ptr<Definitions> definitions_;  // shared with jobs on the writer's thread
  std::uint64_t generation_ = 0;
  std::list<Waiting*> waiting_;
  std::unordered_set<std::string> in_flight_;      ///< "run/key"
  std::unordered_set<std::string> busy_agents_;    ///< "swarm/agent" that is being told something
  std::unordered_set<std::string> busy_branches_;  ///< swarms whose integration branch is worked on
  bool serving_ = false;
  bool recovered_ = false;
  async::Timer timer_;
  async::TaskSet changes_;
  async::TaskSet steps_;  // last: its tasks use the members above
};

}  // namespace swarm::workflow
