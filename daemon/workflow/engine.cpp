#include "daemon/workflow/engine.hpp"

#include <algorithm>

#include "daemon/workflow/codec.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::workflow {
namespace {

using store::Durability;
using store::Sql;

constexpr Sql kClock{"workflow.clock", "SELECT last_us, paused_us FROM wf_clock"};
constexpr Sql kSaveClock{"workflow.save_clock",
                         "INSERT INTO wf_clock (one, last_us, paused_us) VALUES (1, ?, ?)"
                         " ON CONFLICT (one) DO UPDATE SET last_us = max(last_us, excluded.last_us),"
                         " paused_us = excluded.paused_us"};
constexpr Sql kNextDue{"workflow.next_due",
                       "SELECT min(d.due_us) FROM wf_due d JOIN wf_runs r ON r.id = d.run WHERE r.active = 1"};

/// How long the store is given after it could not take an outcome in.
constexpr Duration kStorePause = std::chrono::seconds(1);

/// While the daemon was away no agent could reach it: its leases and deadlines stood still, up to a limit.
coord::TimeRecord recorded_time(store::Store& store, const Clock& clock) {
  coord::TimeRecord record;
  const auto row = store.reader().one<std::int64_t, std::int64_t>(kClock);
  if (!row || !*row) return record;
  record.last = coord::Moment{std::get<0>(**row)};
  record.paused = coord::Span(std::get<1>(**row));
  const coord::Span away(clock.wall().us - record.paused.count() - record.last.us);
  record.paused += std::clamp<coord::Span>(away, coord::Span{0}, kMaxOffline);
  return record;
}

bool exclusive(const Step& step) { return step.kind == "merge" || step.kind == "test" || step.kind == "deliver"; }

bool to_agent(const Step& step) { return step.kind == "start" || step.kind == "stop" || step.kind == "prompt"; }

std::string flight(const Step& step) { return step.run + "/" + step.key; }

template <class T>
async::Task<Result<Value>> as_value(async::Task<Result<T>> task) {
  const Result<T> result = co_await std::move(task);
  if (!result) co_return fail(result.error());
  if constexpr (std::is_void_v<T>) {
    co_return Value();
  } else {
    co_return to_value(*result);
  }
}

}  // namespace

Engine::Engine(async::Loop& loop, store::Store& store, Random& random, Ports& ports, EngineOptions options)
    : loop_(loop),
      store_(store),
      random_(random),
      ports_(ports),
      options_(std::move(options)),
      clock_(loop.clock(), recorded_time(store, loop.clock())),
      definitions_(std::make_shared<Definitions>()),
      timer_(loop),
      changes_(loop),
      steps_(loop) {}

Result<void> Engine::finish(store::Changes& changes, Turn& turn) {
  turn.run(kSaveClock, turn.now_us(), turn.wall_us() - turn.now_us());
  if (turn.trouble()) return fail(*turn.trouble());
  for (store::NewEvent& event : turn.events()) {
    if (auto appended = changes.append(std::move(event)); !appended) return fail(appended.error());
  }
  return {};
}

async::Task<Result<void>> Engine::recover() {
  recovered_ = true;
  const auto runs = look([](Turn& turn) { return Result<std::vector<std::string>>(active_runs(turn)); });
  if (!runs) co_return fail(runs.error(), "workflow runs");
  for (const std::string& run : *runs) pump(run);
  arm();
  co_return {};
}

void Engine::committed(const std::set<std::string, std::less<>>& touched) {
  ++generation_;
  std::set<std::string> swarms;
  for (const std::string& id : touched) {
    if (id.empty()) continue;
    const auto swarm = look([&](Turn& turn) -> Result<std::string> {
      const auto run = load_record(turn, id);
      return run ? run->swarm : std::string();
    });
    if (swarm) swarms.insert(*swarm);
    if (recovered_) pump(id);
  }
  for (Waiting* each : waiting_) {
    if (swarms.contains(each->swarm)) each->woken.set();
  }
  if (recovered_) arm();
}

async::Task<> Engine::changed_since(std::string swarm, std::uint64_t seen, MonoTime until) {
  if (generation_ != seen) co_return;
  Waiting self(loop_);
  self.swarm = std::move(swarm);
  const auto place = waiting_.insert(waiting_.end(), &self);
  const struct Leave {
    std::list<Waiting*>& list;
    std::list<Waiting*>::iterator at;
    ~Leave() { list.erase(at); }
  } leave{waiting_, place};
  async::Timer timer(loop_);
  timer.start_at(until, [&self] { self.woken.set(); });
  co_await self.woken.wait();
}

/// Begins the steps of a run that are open and may be begun.
void Engine::pump(const std::string& run) {
  struct Open {
    std::string swarm;
    std::vector<Step> steps;
  };
  const auto open = look([&](Turn& turn) -> Result<Open> {
    const auto record = load_record(turn, run);
    const bool goes_on = record && (record->state == api::RunState::running || record->state == api::RunState::waiting);
    if (!goes_on) return Open{};
    Open out{.swarm = record->swarm, .steps = open_steps(turn, run)};
    // Nobody is told anything before it is there.
    std::set<std::string> starting;
    for (const Step& step : out.steps) {
      if (step.kind == "start") starting.insert(string_of(step.input, "agent"));
    }
    std::erase_if(out.steps, [&](const Step& step) {
      if (step.kind == "prompt" && starting.contains(string_of(step.input, "agent"))) return true;
      const auto wait = turn.due(Due::step, flight(step));
      return wait && *wait > turn.now_us();
    });
    return out;
  });
  if (!open) return;  // the store is in trouble; whatever comes next looks again
  for (const Step& step : open->steps) {
    if (in_flight_.contains(flight(step))) continue;
    if (exclusive(step) && !busy_branches_.insert(open->swarm).second) continue;
    // One after the other to each agent: its start, then what it is told, in order.
    if (to_agent(step) && !busy_agents_.insert(open->swarm + "/" + string_of(step.input, "agent")).second) continue;
    in_flight_.insert(flight(step));
    steps_.spawn(perform(this, open->swarm, step));
  }
}

async::Task<Result<Value>> Engine::act(StepKey key, Step step) {
  const Value& input = step.input;
  if (step.kind == "start") return as_value(ports_.start_agent(std::move(key), start_agent_of(input)));
  if (step.kind == "stop") return as_value(ports_.stop_agent(std::move(key), string_of(input, "agent")));
  if (step.kind == "prompt") return as_value(ports_.prompt(std::move(key), prompt_of(input)));
  if (step.kind == "inspect") return as_value(ports_.inspect(std::move(key), inspect_of(input)));
  if (step.kind == "merge") return as_value(ports_.merge(std::move(key), merge_of(input)));
  if (step.kind == "test") return as_value(ports_.test(std::move(key), test_of(input)));
  if (step.kind == "deliver") return as_value(ports_.deliver(std::move(key), deliver_of(input)));
  if (step.kind == "notify") {
    ports_.notify({.swarm = key.swarm, .run = key.run, .text = string_of(input, "text")});
    return [](Value value) -> async::Task<Result<Value>> { co_return value; }(Value());
  }
  return [](std::string kind) -> async::Task<Result<Value>> {
    co_return fail(Code::internal, "no step of the kind '" + kind + "'");
  }(step.kind);
}

async::Task<> Engine::perform(Engine* self, std::string swarm, Step step) {
  const std::string name = flight(step);
  const std::string run = step.run;
  const std::string key = step.key;
  if (self->options_.watch) self->options_.watch(key, true);
  auto action = self->act({.swarm = swarm, .run = run, .step = key}, step);
  const Result<Value> outcome = co_await std::move(action);
  for (;;) {
    auto recording = self->change<std::monostate>(
        "workflow.step", Durability::power,
        [run, key, outcome, options = std::pair(self->options_.retry_first, self->options_.retry_most),
         tries = self->options_.tries](Turn& turn) -> Result<std::monostate> {
          auto c = load_run(turn, run);
          auto known = load_step(turn, run, key);
          if (!c || !known) return std::monostate{};
          ++known->tries;
          if (outcome) {
            step_done(turn, *c, *known, *outcome);
          } else if (outcome.error().retryable && known->tries < tries) {
            known->error = outcome.error().to_string();
            save(turn, *known);
            const auto pause =
                std::min(options.second, options.first * (1 << std::min<std::uint32_t>(known->tries - 1, 20)));
            turn.set_due(Due::step, run + "/" + key, run,
                         turn.now_us() + std::chrono::duration_cast<std::chrono::microseconds>(pause).count());
          } else {
            step_failed(turn, *c, *known, outcome.error());
          }
          settle(turn, *c);
          return std::monostate{};
        });
    const Result<std::monostate> recorded = co_await std::move(recording);
    if (recorded) break;
    // What was done is not forgotten because the store is in trouble.
    co_await async::sleep_for(self->loop_, kStorePause);
  }
  if (self->options_.watch) self->options_.watch(key, false);
  self->in_flight_.erase(name);
  if (exclusive(step)) self->busy_branches_.erase(swarm);
  if (to_agent(step)) self->busy_agents_.erase(swarm + "/" + string_of(step.input, "agent"));
  self->pump(run);
}

/// Sets the timer for the next deadline.
void Engine::arm() {
  const auto row = store_.reader().one<std::optional<std::int64_t>>(kNextDue);
  if (!row || !*row || !std::get<0>(**row)) return timer_.cancel();
  timer_.start_at(clock_.mono(coord::Moment{*std::get<0>(**row)}), [this] { look_after(); });
}

void Engine::look_after() {
  if (serving_) return;
  serving_ = true;
  steps_.spawn(serve_deadlines(this));
}

async::Task<> Engine::serve_deadlines(Engine* self) {
  auto task =
      self->change<std::monostate>("workflow.deadlines", Durability::power, [](Turn& turn) -> Result<std::monostate> {
        for (const auto& [kind, id, run] : passed(turn)) {
          auto c = load_run(turn, run);
          if (!c) {
            turn.clear_due(kind, id);
            continue;
          }
          turn.touch(run);
          due(turn, *c, kind, id);
          settle(turn, *c);
        }
        return std::monostate{};
      });
  const Result<std::monostate> served = co_await std::move(task);
  if (!served) co_await async::sleep_for(self->loop_, kStorePause);
  self->serving_ = false;
  self->arm();
}

async::Task<Result<api::RunInfo>> Engine::start(RunSpec spec) {
  return change<api::RunInfo>("workflow.start", Durability::power, [spec](Turn& turn) -> Result<api::RunInfo> {
    Result<Case> c = start_run(turn, spec);
    if (!c) return fail(c.error());
    return shown(turn, *c);
  });
}

async::Task<Result<void>> Engine::agent_gone(std::string swarm, std::string agent, std::string why) {
  auto task = change<std::monostate>("workflow.gone", Durability::power, [=](Turn& turn) -> Result<std::monostate> {
    for (const Run& run : list_runs(turn, swarm, false, 10, INT64_MAX)) {
      auto c = load_run(turn, run.id);
      if (!c) continue;
      workflow::agent_gone(turn, *c, agent, why);
      settle(turn, *c);
    }
    return std::monostate{};
  });
  const auto done = co_await std::move(task);
  if (!done) co_return fail(done.error());
  co_return {};
}

async::Task<Result<void>> Engine::agent_here(std::string swarm, api::RunAgent agent) {
  auto task = change<std::monostate>("workflow.here", Durability::power, [=](Turn& turn) -> Result<std::monostate> {
    for (const Run& run : list_runs(turn, swarm, false, 10, INT64_MAX)) {
      auto c = load_run(turn, run.id);
      if (!c) continue;
      workflow::agent_here(turn, *c, agent);
      settle(turn, *c);
    }
    return std::monostate{};
  });
  const auto done = co_await std::move(task);
  if (!done) co_return fail(done.error());
  co_return {};
}

async::Task<Result<void>> Engine::offline(std::string swarm) {
  auto task =
      change<std::monostate>("workflow.offline", Durability::process, [=](Turn& turn) -> Result<std::monostate> {
        went_offline(turn, swarm);
        return std::monostate{};
      });
  const auto done = co_await std::move(task);
  if (!done) co_return fail(done.error());
  co_return {};
}

async::Task<Result<void>> Engine::online(std::string swarm) {
  auto task = change<std::monostate>("workflow.online", Durability::process, [=](Turn& turn) -> Result<std::monostate> {
    came_online(turn, swarm);
    return std::monostate{};
  });
  const auto done = co_await std::move(task);
  if (!done) co_return fail(done.error());
  co_return {};
}

void Engine::resumed(std::chrono::microseconds paused) {
  clock_.resumed(paused);
  arm();
}

}  // namespace swarm::workflow
