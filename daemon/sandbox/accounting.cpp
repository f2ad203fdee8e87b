// What is told to the steward, and what it is asked: who may create and when, what costs from when to when, and what a
// budget holds.
#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/sandboxes.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

const log::Logger& logger() {
  static const log::Logger made("sandbox");
  return made;
}

/// "Not now", as opposed to "never so": the same request may be made again.
bool is_throttled(const providers::CreateOutcome& made) {
  return made.kind == providers::CreateOutcome::Kind::refused && made.retry_after.has_value();
}

async::Task<> until_left(std::shared_ptr<Sandbox> sandbox, State from, async::Event& left) {
  while (sandbox->state() == from) co_await sandbox->changed.wait();
  left.set();
}

}  // namespace

Step Sandboxes::step_of(const Sandbox& sandbox, Record next, Event event, When when) const {
  if (sandbox.pausing && next.info.state != State::paused) {
    // Nobody knows when it stood still, only that it ran until it was asked to. The provider's own end says nothing of
    // that.
    if (!when.not_before || sandbox.pausing->mono < when.not_before->mono) when.not_before = sandbox.pausing;
    when.found = false;
    when.ended.reset();
  }
  const providers::Provider* by = provider(next.info.provider);
  const std::optional<std::int64_t> started = sandbox.record.hidden.started_us;
  Step step{.record = std::move(next),
            .at = instant(),
            .when = when,
            .existed = event != Event::absent && event != Event::refused &&
                       (event != Event::stop || sandbox.state() != State::lost),
            .bills_paused = by != nullptr && by->capabilities().bills_paused};
  if (const auto told = step.record.hidden.started_us ? step.record.hidden.started_us : started) {
    step.provider_started = WallTime{*told};
  }
  return step;
}

async::Task<Result<void>> Sandboxes::account(std::shared_ptr<Sandbox> sandbox, State as, When when) {
  if (with_.steward == nullptr) co_return {};
  const auto turn = co_await sandbox->turn.take();
  if (sandbox->state() != State::paused) co_return {};  // it ended meanwhile, and that is told by itself
  Step step = step_of(*sandbox, sandbox->record, as == State::paused ? Event::pause : Event::resume, when);
  step.record.info.state = as;
  Result<void> told =
      co_await with_.store.write("sandbox.account", store::Durability::power,
                                 [step = std::move(step), steward = with_.steward](store::Changes& changes) {
                                   return steward->stepped(changes, step);
                                 });
  co_return told;
}

async::Task<Result<void>> Sandboxes::account_all() {
  if (with_.steward == nullptr) co_return {};
  std::vector<Step> steps;
  for (const auto& [id, sandbox] : living_) {
    // A pause is told when it is certain that it has come about; what was not begun costs nothing.
    if (sandbox->state() == State::paused || sandbox->state() == State::requested) continue;
    if (sandbox->state() == State::lost || sandbox->state() == State::stopping) continue;
    steps.push_back(step_of(*sandbox, sandbox->record, Event::found, {}));
  }
  if (steps.empty()) co_return {};
  Result<void> told = co_await with_.store.write(
      "sandbox.account_all", store::Durability::process,
      [steps = std::move(steps), steward = with_.steward](store::Changes& changes) -> Result<void> {
        for (const Step& step : steps) {
          if (Result<void> done = steward->stepped(changes, step); !done) return done;
        }
        return {};
      });
  co_return told;
}

async::Task<Result<Leave>> Sandboxes::leave_to_create(std::shared_ptr<Sandbox> sandbox, MonoTime deadline) {
  if (with_.steward == nullptr) co_return Leave([](const providers::CreateOutcome&) {});
  const std::string swarm = sandbox->record.info.swarm.value_or("");
  Turn turn{.provider = sandbox->record.info.provider, .swarm = swarm, .refill = sandbox->refill, .deadline = deadline};
  // One that is ended in line leaves it: its turn is another's.
  std::optional<Result<Leave>> leave;
  {
    async::TaskSet scope(with_.loop);
    async::Event settled(with_.loop);
    scope.spawn(async::detail::capture<Leave>(with_.steward->leave_to_create(std::move(turn)), leave, settled));
    scope.spawn(until_left(sandbox, sandbox->state(), settled));
    co_await settled.wait();
  }
  if (!leave) co_return fail(Code::cancelled, fmt::format("sandbox {} was ended while it waited", sandbox->id()));
  if (!*leave) co_return fail(leave->error());
  // It may have stood in line for long.
  if (Result<void> may = with_.steward->admit(swarm); !may) co_return fail(may.error());
  co_return std::move(*leave);
}

async::Task<providers::CreateOutcome> Sandboxes::ask_provider(std::shared_ptr<Sandbox> sandbox, Leave leave,
                                                              MonoTime deadline) {
  providers::Provider* by = provider(sandbox->record.info.provider);
  for (;;) {
    providers::CreateOutcome made = co_await by->create(spec_of(*sandbox));
    leave(made);
    // A refusal for now made nothing, so that asking again cannot make two. A pool has time and asks anew later.
    const bool in_time = made.retry_after && with_.loop.clock().now() + *made.retry_after < deadline;
    if (!is_throttled(made) || !in_time || sandbox->refill || sandbox->state() != State::creating) co_return made;
    logger().info("the provider asks to wait", {{"sandbox", sandbox->id()}, {"error", made.error}});
    Result<Leave> again = co_await leave_to_create(sandbox, deadline);
    if (!again || sandbox->state() != State::creating) {
      if (!again) made.error = again.error();
      co_return made;
    }
    leave = std::move(*again);
  }
}

async::Task<Result<void>> Sandboxes::pause_it(std::shared_ptr<Sandbox> sandbox, std::string reason,
                                              std::function<void(Record&)> change) {
  const auto one_by_one = co_await sandbox->switching.take();
  const Result<State> state = co_await advance(sandbox, Event::pause, std::move(reason), std::move(change));
  if (!state) co_return fail(state.error());
  const Instant asked = instant();
  sandbox->pausing = asked;
  const Result<void> paused = co_await provider(sandbox->record.info.provider)->pause(sandbox->record.hidden.ref);
  if (!paused) {
    sandbox->pausing.reset();
    const Result<State> back =
        co_await advance(sandbox, Event::resume, "it could not be paused: " + paused.error().message,
                         [](Record& next) { next.hidden.forget_pause(); });
    if (!back) co_return fail(back.error());
    co_return fail(paused.error());
  }
  Result<void> told = co_await account(sandbox, State::paused, {.not_before = asked});
  if (told && sandbox->state() == State::paused) sandbox->pausing.reset();
  co_return told;
}

async::Task<Result<void>> Sandboxes::resume_it(std::shared_ptr<Sandbox> sandbox) {
  const auto one_by_one = co_await sandbox->switching.take();
  if (sandbox->state() != State::paused) {
    co_return fail(Code::failed_precondition,
                   fmt::format("sandbox {} is {}, not paused", sandbox->id(), state_name(sandbox->state())));
  }
  if (with_.steward != nullptr && !sandbox->record.hidden.held_by.empty()) {
    const std::string swarm = sandbox->record.info.swarm.value_or("");
    if (Result<void> may = with_.steward->admit_again(swarm); !may) co_return fail(may.error());
  }
  // It may cost from the moment that the provider is asked, whether or not its answer arrives.
  const Instant asked = instant();
  const Result<void> told = co_await account(sandbox, State::claimed, {});
  if (!told) co_return fail(told.error());
  const Result<void> resumed = co_await provider(sandbox->record.info.provider)->resume(sandbox->record.hidden.ref);
  if (!resumed) {
    const Result<void> back = co_await account(sandbox, State::paused, {.not_before = asked});
    if (!back) logger().warn("its cost goes on", {{"sandbox", sandbox->id()}, {"error", back.error()}});
    co_return fail(resumed.error());
  }
  sandbox->seen = instant();
  const Result<State> state = co_await advance(
      sandbox, Event::resume, "", [](Record& next) { next.hidden.forget_pause(); }, {}, {.not_before = asked});
  if (!state) co_return fail(state.error());
  arm_lease(sandbox);
  fell_idle(sandbox);
  co_return {};
}

/// The provider has it paused and it is recorded as running: a pause that was given up as failed came about after all.
async::Task<> Sandboxes::go_on(std::shared_ptr<Sandbox> sandbox) {
  const auto one_by_one = co_await sandbox->switching.take();
  if (!is_usable(sandbox->state())) co_return;
  const Result<void> resumed = co_await provider(sandbox->record.info.provider)->resume(sandbox->record.hidden.ref);
  if (!resumed) logger().warn("it stands still unasked", {{"sandbox", sandbox->id()}, {"error", resumed.error()}});
}

/// After a restart: it was recorded as paused before that was done.
async::Task<> Sandboxes::pause_again(std::shared_ptr<Sandbox> sandbox, bool is_paused) {
  const auto one_by_one = co_await sandbox->switching.take();
  if (sandbox->state() != State::paused) co_return;
  const Instant asked = instant();
  if (!is_paused) {
    const Result<void> paused = co_await provider(sandbox->record.info.provider)->pause(sandbox->record.hidden.ref);
    if (!paused) {
      const Result<State> back =
          co_await advance(sandbox, Event::resume, "it could not be paused: " + paused.error().message);
      if (!back) logger().warn("a sandbox runs though it is recorded as paused", {{"sandbox", sandbox->id()}});
      co_return;
    }
  }
  // An earlier run asked, or this one has.
  const When when{.not_before = is_paused && sandbox->pausing ? sandbox->pausing : asked};
  const Result<void> told = co_await account(sandbox, State::paused, when);
  if (told && sandbox->state() == State::paused) sandbox->pausing.reset();
  if (!told) logger().warn("a pause could not be counted", {{"sandbox", sandbox->id()}, {"error", told.error()}});
}

async::Task<Result<void>> Sandboxes::hold(std::string id, std::string budget, std::string reason) {
  const auto found = living_.find(id);
  if (found == living_.end()) co_return {};
  const auto sandbox = found->second;
  if (sandbox->state() == State::ready && !sandbox->record.hidden.pool.empty()) {
    co_await discard(id, reason);
    co_return {};
  }
  // What is being made is paused when it can be.
  const auto coming = [&] {
    const State state = sandbox->state();
    return state == State::requested || state == State::creating || state == State::unknown || state == State::starting;
  };
  while (coming()) co_await sandbox->changed.wait();
  if (!is_usable(sandbox->state())) co_return {};
  if (!provider(sandbox->record.info.provider)->capabilities().pause) {
    co_return fail(Code::unimplemented,
                   fmt::format("provider {} cannot pause; sandbox {} goes on", sandbox->record.info.provider, id));
  }
  Result<void> paused =
      co_await pause_it(sandbox, std::move(reason), [budget](Record& next) { next.hidden.held_by = budget; });
  co_return paused;
}

async::Task<Result<void>> Sandboxes::let_go(std::string id) {
  const auto found = living_.find(id);
  if (found == living_.end()) co_return {};
  const auto sandbox = found->second;
  if (sandbox->state() != State::paused || sandbox->record.hidden.held_by.empty()) co_return {};
  Result<void> resumed = co_await resume_it(sandbox);
  co_return resumed;
}

std::vector<const Record*> Sandboxes::living() const {
  std::vector<const Record*> all;
  all.reserve(living_.size());
  for (const auto& [id, sandbox] : living_) all.push_back(&sandbox->record);
  return all;
}

}  // namespace swarm::sandbox
