// What is told to the steward, and what it is asked: who may create and when, what costs from when to when, and what a
// budget holds.
#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// So long after it was begun, a watch has seen whatever there was to see.
constexpr Duration kWatchBegins = 10ms;

// A provider knows best when it gives up; this is for one that never does.
constexpr Duration kCreateGrace = 30s;

/// "Not now", as opposed to "never so": the same request may be made again.
bool is_throttled(const providers::CreateOutcome& made) {
  return made.kind == providers::CreateOutcome::Kind::refused && made.retry_after.has_value();
}

async::Task<Result<providers::CreateOutcome>> created(providers::Provider& by, providers::CreateSpec spec) {
  providers::CreateOutcome made = co_await by.create(std::move(spec));
  co_return made;
}

async::Task<> until_left(std::shared_ptr<Sandbox> sandbox, State from, async::Event& left) {
  while (sandbox->state() == from) co_await sandbox->changed.wait();
  left.set();
}

}  // namespace

std::optional<Instant> Sandboxes::last_there(const Sandbox& sandbox) const {
  const std::optional<Instant> last = last_seen(sandbox);
  const providers::Provider* by = provider(sandbox.record.info.provider);
  if (!sandbox.watched || by == nullptr) return last;
  const providers::Capabilities can = by->capabilities();
  const Instant now = instant();
  if (!can.notices_every_end || now.mono - sandbox.watched->mono < kWatchBegins + can.notices_end_within) return last;
  // Had it ended, that would have been told, if only late.
  return later(last, before(now, can.notices_end_within));
}

std::optional<Instant> Sandboxes::last_seen(const Sandbox& sandbox) const {
  const providers::Provider* by = provider(sandbox.record.info.provider);
  if (by == nullptr || sandbox.record.hidden.ref.empty()) return sandbox.seen;
  return later(sandbox.seen, seen_by(*by, sandbox.record.hidden.ref));
}

std::optional<Instant> Sandboxes::seen_by(const providers::Provider& by, const std::string& ref) const {
  const std::optional<MonoTime> told = by.seen(ref);
  if (!told) return std::nullopt;
  const Instant now = instant();
  return before(now, now.mono - *told);
}

void Sandboxes::see(Sandbox& sandbox, Instant at) { sandbox.seen = later(sandbox.seen, at); }

Instant Sandboxes::shown_in_list(const providers::Provider& by, Instant asked) {
  return before(asked, by.capabilities().lists_ended_within);
}

bool Sandboxes::watching() const {
  const MonoTime now = with_.loop.clock().now();
  return std::ranges::all_of(living_, [this, now](const auto& entry) {
    const Sandbox& sandbox = *entry.second;
    const providers::Provider* by = provider(sandbox.record.info.provider);
    if (sandbox.record.hidden.ref.empty()) return true;
    const std::optional<Instant> there = last_there(sandbox);
    if (!there || by == nullptr) return false;
    if (sandbox.state() == State::paused) {
      const std::optional<Instant> stood = later(sandbox.stood, sandbox.still);
      return stood && now - stood->mono <= standing_known_within();
    }
    const providers::Capabilities can = by->capabilities();
    const bool runs = is_usable(sandbox.state()) || sandbox.state() == State::starting;
    return !runs || can.notices_every_end || now - there->mono <= can.notices_end_within;
  });
}

Duration Sandboxes::standing_known_within() const { return 2 * with_.reconcile_every; }

Step Sandboxes::step_of(const Sandbox& sandbox, Record next, Event event, When when) const {
  const bool may_end_here = event == Event::pause || event == Event::stop || event == Event::vanished;
  if (may_end_here && !when.not_before && !when.found) {
    when.not_before = last_there(sandbox);
    when.found = !when.not_before;
  }
  // Of these nobody knows more than that it was asked for, or is not listed.
  if (event == Event::pause || event == Event::vanished || event == Event::absent) when.perhaps = true;
  const providers::Provider* by = provider(next.info.provider);
  const std::optional<std::int64_t> started = sandbox.record.hidden.started_us;
  Step step{.record = std::move(next),
            .at = when.at.value_or(instant()),
            .when = when,
            .existed = event != Event::absent && event != Event::refused,
            .bills_paused = by != nullptr && by->capabilities().bills_paused,
            .late = when.late.value_or(by == nullptr ? Duration{0} : by->capabilities().notices_end_within)};
  if (const auto told = step.record.hidden.started_us ? step.record.hidden.started_us : started) {
    step.provider_started = WallTime{*told};
  }
  return step;
}

async::Task<Result<void>> Sandboxes::account(std::shared_ptr<Sandbox> sandbox, State as, When when) {
  Result<void> told = co_await account(std::move(sandbox), {{as, when}});
  co_return told;
}

async::Task<Result<void>> Sandboxes::account(std::shared_ptr<Sandbox> sandbox,
                                             std::vector<std::pair<State, When>> happened) {
  if (with_.steward == nullptr) co_return {};
  const auto turn = co_await sandbox->turn.take();
  const bool there = sandbox->state() == State::paused || is_usable(sandbox->state());
  if (!there) co_return {};  // it ended meanwhile, and that is told by itself
  std::vector<Step> steps;
  for (const auto& [as, when] : happened) {
    // A pause that is told here is one that has come about: what is not certain of it stands in `when`.
    steps.push_back(step_of(*sandbox, sandbox->record, Event::answered, when));
    steps.back().record.info.state = as;
  }
  Result<void> told = co_await with_.store.write(
      "sandbox.account", store::Durability::power,
      [steps = std::move(steps), steward = with_.steward](store::Changes& changes) -> Result<void> {
        for (const Step& step : steps) {
          if (Result<void> done = steward->stepped(changes, step); !done) return done;
        }
        return {};
      });
  co_return told;
}

async::Task<> Sandboxes::settle_pause(std::shared_ptr<Sandbox> sandbox, Instant listed) {
  const auto one_by_one = co_await sandbox->switching.take();
  const auto turn = co_await sandbox->turn.take();
  if (!is_usable(sandbox->state()) || !sandbox->record.hidden.may_stand) co_return;
  Record next = sandbox->record;
  next.hidden.may_stand = false;
  const Step step = step_of(*sandbox, next, Event::found, {.at = listed});
  const Result<void> told =
      co_await with_.store.write("sandbox.settle_pause", store::Durability::process,
                                 [next, step, steward = with_.steward](store::Changes& changes) -> Result<void> {
                                   if (Result<void> done = update(changes.db(), next); !done) return done;
                                   return steward == nullptr ? Result<void>{} : steward->stepped(changes, step);
                                 });
  if (told) {
    sandbox->record.hidden.may_stand = false;
  } else {
    log::logger<"sandbox">().warn("what became of a pause could not be counted",
                                  {{"sandbox", sandbox->id()}, {"error", told.error()}});
  }
}

async::Task<Result<void>> Sandboxes::account_all() {
  if (with_.steward == nullptr) co_return {};
  std::vector<Step> steps;
  for (const auto& [id, sandbox] : living_) {
    // What became of a pause is found out by itself; what was not begun costs nothing.
    if (sandbox->state() == State::paused || sandbox->state() == State::requested) continue;
    if (sandbox->state() == State::lost || sandbox->state() == State::stopping) continue;
    steps.push_back(step_of(*sandbox, sandbox->record, Event::found, {.perhaps = true}));
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
    const Duration limit = std::max<Duration>(with_.config.sandbox.create_timeout, deadline - with_.loop.clock().now());
    const Result<providers::CreateOutcome> answer =
        co_await async::with_timeout(with_.loop, created(*by, spec_of(*sandbox)), limit + kCreateGrace, "the provider");
    providers::CreateOutcome made;
    if (answer) {
      made = *answer;
    } else {
      made.error = answer.error();  // it may exist
    }
    leave(made);
    // A refusal for now made nothing, so that asking again cannot make two. A pool has time and asks anew later.
    const bool in_time = made.retry_after && with_.loop.clock().now() + *made.retry_after < deadline;
    if (!is_throttled(made) || !in_time || sandbox->refill || sandbox->state() != State::creating) co_return made;
    log::logger<"sandbox">().info("the provider asks to wait", {{"sandbox", sandbox->id()}, {"error", made.error}});
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
  if (const auto by = provider_of(*sandbox); !by) co_return fail(by.error());
  const auto one_by_one = co_await sandbox->switching.take();
  const Result<State> state = co_await advance(sandbox, Event::pause, std::move(reason), std::move(change));
  if (!state) co_return fail(state.error());
  Result<void> paused = co_await ask_to_pause(sandbox);
  co_return paused;
}

/// It is recorded as paused: lets the provider do it. Whoever calls has the turn to switch.
async::Task<Result<void>> Sandboxes::ask_to_pause(std::shared_ptr<Sandbox> sandbox) {
  sandbox->stood.reset();
  sandbox->still.reset();
  const Result<void> paused = co_await provider(sandbox->record.info.provider)->pause(sandbox->record.hidden.ref);
  if (!paused) {
    // It may have come about all the same; the next list tells.
    const auto goes_on = [](Record& next) {
      next.hidden.forget_pause();
      next.hidden.may_stand = true;
    };
    const Result<State> back = co_await advance(
        sandbox, Event::resume, "it could not be paused: " + paused.error().message, goes_on, {}, {.perhaps = true});
    if (!back) co_return fail(back.error());
    co_return fail(paused.error());
  }
  sandbox->stood = instant();
  Result<void> told = co_await account(sandbox, State::paused, {.at = sandbox->stood});
  co_return told;
}

async::Task<Result<void>> Sandboxes::resume_it(std::shared_ptr<Sandbox> sandbox) {
  if (const auto by = provider_of(*sandbox); !by) co_return fail(by.error());
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
  // Whether it stood still until then may be in doubt, too: an earlier run asked for that, or a resume failed.
  std::vector<std::pair<State, When>> stood_and_may_run = {{State::paused, {.found = true}},
                                                           {State::claimed, {.perhaps = true}}};
  const Result<void> told = co_await account(sandbox, std::move(stood_and_may_run));
  if (!told) co_return fail(told.error());
  if (sandbox->state() != State::paused) {
    co_return fail(Code::failed_precondition,
                   fmt::format("sandbox {} is {} meanwhile", sandbox->id(), state_name(sandbox->state())));
  }
  sandbox->stood.reset();
  sandbox->still.reset();
  const Result<void> resumed = co_await provider(sandbox->record.info.provider)->resume(sandbox->record.hidden.ref);
  if (!resumed) {
    sandbox->may_run = instant();  // lists tell
    co_return fail(resumed.error());
  }
  // Its agentd suspects a pause by itself and waits a moment to be told: before anything else.
  const auto paused = std::chrono::microseconds(with_.loop.clock().wall().us - sandbox->record.info.changed_us);
  tasks_.spawn(tell_resumed(sandbox, std::chrono::ceil<std::chrono::milliseconds>(paused)));
  sandbox->may_run.reset();
  const Result<State> state = co_await advance(sandbox, Event::resume, "",
                                               [](Record& next) { next.hidden.forget_pause(); }, {}, {.at = instant()});
  if (!state) co_return fail(state.error());
  arm_lease(sandbox);
  fell_idle(sandbox);
  co_return {};
}

/// Deadlines inside move by the length of the pause. An agentd that was restarted meanwhile never knew of it.
async::Task<> Sandboxes::tell_resumed(std::shared_ptr<Sandbox> sandbox, std::chrono::milliseconds paused) {
  if (paused.count() <= 0 || sandbox->link == nullptr) co_return;
  const auto connection = sandbox->link->current();
  if (connection == nullptr) co_return;
  const Result<api::Empty> told = co_await wire::call_with_timeout(*connection, api::inside::kAgentdResumed,
                                                                   {.paused_ms = paused}, std::chrono::seconds(30));
  if (!told)
    log::logger<"sandbox">().warn("a sandbox does not know how long it was paused", {{"sandbox", sandbox->id()}});
}

/// The provider has it paused and it is recorded as running: a pause that was given up as failed came about after all.
async::Task<> Sandboxes::go_on(std::shared_ptr<Sandbox> sandbox) {
  const auto one_by_one = co_await sandbox->switching.take();
  if (!is_usable(sandbox->state())) co_return;
  std::vector<std::pair<State, When>> stood_and_may_run = {{State::paused, {.found = true}},
                                                           {sandbox->state(), {.perhaps = true}}};
  const Result<void> told = co_await account(sandbox, std::move(stood_and_may_run));
  if (!told || !is_usable(sandbox->state())) co_return;  // tried again with the next list
  const Result<void> resumed = co_await provider(sandbox->record.info.provider)->resume(sandbox->record.hidden.ref);
  if (!resumed) {
    log::logger<"sandbox">().warn("it stands still unasked", {{"sandbox", sandbox->id()}, {"error", resumed.error()}});
    co_return;
  }
  const Result<void> runs = co_await account(sandbox, sandbox->state(), {.at = instant()});
  if (!runs)
    log::logger<"sandbox">().warn("a pause could not be counted",
                                  {{"sandbox", sandbox->id()}, {"error", runs.error()}});
}

/// It is recorded as paused and listed as running: an earlier run was at it, a resume failed, or what was asked for
/// long ago has come about.
async::Task<> Sandboxes::pause_again(std::shared_ptr<Sandbox> sandbox, Instant listed) {
  const auto one_by_one = co_await sandbox->switching.take();
  if (sandbox->state() != State::paused) co_return;
  if (sandbox->stood && sandbox->stood->mono >= listed.mono) co_return;  // it has been paused since
  // It may have run since it was last seen standing still; where an earlier run saw that, since that one ended.
  const When woken{.found = !sandbox->stood, .at = sandbox->stood, .perhaps = true, .late = standing_known_within()};
  Result<void> told = co_await account(sandbox, State::claimed, woken);
  if (told) {
    sandbox->may_run.reset();
    told = co_await ask_to_pause(sandbox);
  }
  if (!told)
    log::logger<"sandbox">().warn("it could not be paused again",
                                  {{"sandbox", sandbox->id()}, {"error", told.error()}});
}

async::Task<> Sandboxes::settle_resume(std::shared_ptr<Sandbox> sandbox, Instant listed) {
  const auto one_by_one = co_await sandbox->switching.take();
  if (sandbox->state() != State::paused || !sandbox->may_run || !sandbox->still) co_return;
  if (sandbox->may_run->mono > listed.mono) co_return;  // another has been tried since
  const Result<void> told = co_await account(sandbox, State::paused, {.at = sandbox->still});
  if (told) {
    sandbox->may_run.reset();
    sandbox->still.reset();
    sandbox->stood = listed;
  } else {
    log::logger<"sandbox">().warn("a pause could not be counted",
                                  {{"sandbox", sandbox->id()}, {"error", told.error()}});
  }
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
  const Result<providers::Provider*> by = provider_of(*sandbox);
  if (!by) co_return fail(by.error());
  if (!(*by)->capabilities().pause) {
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

bool Sandboxes::is_leaving(const std::string& id) const {
  const auto found = living_.find(id);
  if (found == living_.end()) return true;
  const State state = found->second->state();
  return found->second->leaving || state == State::stopping || state == State::lost || is_final(state);
}

std::vector<const Record*> Sandboxes::living() const {
  std::vector<const Record*> all;
  all.reserve(living_.size());
  for (const auto& [id, sandbox] : living_) all.push_back(&sandbox->record);
  return all;
}

}  // namespace swarm::sandbox
