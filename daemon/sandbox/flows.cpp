// What happens to one sandbox from its record to its end.
#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/reach.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// How long agentd may take to answer after its sandbox was made. Locally it takes milliseconds; a microVM that resumes
// from a snapshot takes seconds.
constexpr Duration kFirstAnswer = 60s;

// agentd ends the sandbox by itself when it has not heard of us for the lease and this much more: time to restart us.
constexpr Duration kOrphanGrace = 60s;

// A provider that could not end a sandbox is asked again after this, then after twice as long.
constexpr Duration kKillAgain = 1s;

/// What the provider told of a sandbox that it made, or listed.
void apply(Record& record, const providers::Created& created) {
  record.hidden.ref = created.ref;
  record.info.provider_id = created.provider_id;
  record.info.identity = created.identity;
  record.info.isolation = created.isolation;
  record.info.limits = created.limits;
  record.info.pause = created.pause;
  if (created.started) record.hidden.started_us = created.started->us;
}

}  // namespace

async::Task<Result<State>> Sandboxes::advance(std::shared_ptr<Sandbox> sandbox, Event event, std::string reason) {
  Result<State> state = co_await advance(std::move(sandbox), event, std::move(reason), [](Record&) {});
  co_return state;
}

async::Task<Result<State>> Sandboxes::advance(std::shared_ptr<Sandbox> sandbox, Event event, std::string reason,
                                              std::function<void(Record&)> change, Also also, When when) {
  const auto turn = co_await sandbox->turn.take();
  const State from = sandbox->state();
  const Outcome step = outcome(from, event);
  if (step.kind == Outcome::Kind::refused) {
    co_return fail(Code::failed_precondition, fmt::format("sandbox {} is {}; it cannot {} now", sandbox->id(),
                                                          state_name(from), event_name(event)));
  }
  if (step.kind == Outcome::Kind::ignored) co_return from;

  Record next = sandbox->record;
  change(next);
  next.info.state = step.to;
  next.info.changed_us = with_.loop.clock().wall().us;
  next.info.reason = reason.empty() ? std::nullopt : std::optional(reason);
  if (step.to == State::ready && !next.info.ready_us) next.info.ready_us = next.info.changed_us;
  if (is_final(step.to)) next.info.ended_us = next.info.changed_us;
  if (is_final(step.to)) {
    next.hidden.secret = {};  // nobody needs it any more
    next.hidden.env.clear();
  }

  // Money depends on the intent to create, and is booked when an interval ends; everything else can be found out again
  // from the provider.
  const bool books = step.to == State::lost || step.to == State::stopping || step.to == State::paused ||
                     (is_final(step.to) && from != State::requested);
  const auto durability = step.to == State::creating || books ? store::Durability::power : store::Durability::process;
  const api::SandboxStateChanged told{.from = from, .to = step.to, .reason = next.info.reason};
  if (with_.observer) with_.observer(from, event, StepMoment::intended);
  const Step taken = step_of(*sandbox, next, event, when);
  sandbox->leaving = step.to == State::stopping || step.to == State::lost || is_final(step.to);
  const Result<void> written = co_await with_.store.write(
      "sandbox.advance", durability,
      [next, told, also, taken, steward = with_.steward](store::Changes& changes) -> Result<void> {
        if (also) {
          if (Result<void> done = also(changes); !done) return done;
        }
        if (Result<void> done = update(changes.db(), next); !done) return done;
        if (steward != nullptr) {
          if (Result<void> done = steward->stepped(changes, taken); !done) return done;
        }
        const auto seq = changes.append({.type = std::string(api::kSandboxState.name),
                                         .sandbox = next.info.id,
                                         .data = wire::encode(api::encode(told))});
        if (!seq) return fail(seq.error());
        return {};
      });
  if (with_.observer) with_.observer(from, event, written ? StepMoment::recorded : StepMoment::failed);
  sandbox->leaving = false;
  if (!written)
    co_return fail(written.error(), fmt::format("record that sandbox {} is {}", sandbox->id(), state_name(step.to)));

  // What is not in the store moved on while it was written.
  next.info.tunnel = sandbox->record.info.tunnel;
  next.info.lease_expires_us = sandbox->record.info.lease_expires_us;
  if (step.to == State::claimed && from == State::ready) sandbox->idle_since = with_.loop.clock().now();
  tally_.leave(sandbox->record);
  sandbox->record = std::move(next);
  tally_.enter(sandbox->record);
  log::logger<"sandbox">().info("sandbox is " + std::string(state_name(step.to)),
                                {{"sandbox", sandbox->id()}, {"from", state_name(from)}, {"reason", reason}});
  sandbox->changed.notify_all();
  if (step.to == State::ready) pooled_ready(*sandbox);
  if (step.to == State::failed) count_failure(*sandbox);
  if (is_final(step.to)) {
    sandbox->lease_timer.cancel();
    sandbox->idle_timer.cancel();
    sandbox->place.release();
    drop(*sandbox);
  }
  if (step.to == State::claimed) {
    arm_lease(sandbox);  // from the moment that it can be used
    arm_idle(sandbox);
  }
  if (!sandbox->record.hidden.pool.empty() && step.to != State::claimed &&
      (from == State::ready || is_final(step.to))) {
    if (const auto pool = pools_.find(sandbox->record.hidden.pool); pool != pools_.end())
      pool->second->lost(sandbox->id());
  }
  co_return step.to;
}

async::Task<> Sandboxes::bring_up(std::shared_ptr<Sandbox> sandbox) {
  struct Coming {
    Sandbox& of;
    explicit Coming(Sandbox& sandbox) : of(sandbox) { of.coming_up = true; }
    ~Coming() { of.coming_up = false; }
  } const coming(*sandbox);
  providers::Provider* by = provider(sandbox->record.info.provider);
  Result<State> state = State::requested;
  if (!sandbox->place.held()) {
    Result<Reservation> place = co_await capacity_.acquire({.provider = sandbox->record.info.provider,
                                                            .template_name = sandbox->record.info.template_name,
                                                            .swarm = sandbox->record.info.swarm.value_or("")},
                                                           sandbox->patience);
    if (is_final(sandbox->state())) co_return;  // ended while it stood in line
    if (!place) {
      sandbox->failure = place.error();
      state = co_await advance(sandbox, Event::refused, place.error().message);
      co_return;
    }
    sandbox->place = std::move(*place);
  }
  // How long it may take to get there, standing in line included.
  const MonoTime deadline =
      with_.loop.clock().now() + std::max<Duration>(sandbox->patience, with_.config.sandbox.create_timeout);
  const Result<Leave> leave = co_await leave_to_create(sandbox, deadline);
  if (is_final(sandbox->state())) co_return;
  if (!leave) {
    sandbox->failure = leave.error();
    state = co_await advance(sandbox, Event::refused, leave.error().message);
    co_return;
  }
  state = co_await advance(sandbox, Event::begin, "");
  if (!state || *state != State::creating) {
    if (!state)
      log::logger<"sandbox">().error("sandbox cannot be begun", {{"sandbox", sandbox->id()}, {"error", state.error()}});
    co_return;
  }

  sandbox->creating = true;
  const Instant asked = instant();
  sandbox->asked = asked.mono;
  const providers::CreateOutcome made = co_await ask_provider(sandbox, *leave, deadline);
  sandbox->creating = false;
  // It may have been made at any time until now, and its provider lists it that much later.
  sandbox->asked = with_.loop.clock().now();
  switch (made.kind) {
    case providers::CreateOutcome::Kind::refused:
      sandbox->failure = made.error.with_context("provider " + by->name());
      state = co_await advance(sandbox, Event::refused, made.error.to_string());
      co_return;
    case providers::CreateOutcome::Kind::unknown: {
      state = co_await advance(sandbox, Event::unanswered, made.error.message);
      const Result<void> looked = co_await look_up(sandbox);
      if (!looked)
        log::logger<"sandbox">().warn("sandbox is still unknown",
                                      {{"sandbox", sandbox->id()}, {"error", looked.error()}});
      co_return;
    }
    case providers::CreateOutcome::Kind::created:
      break;
  }
  state = co_await advance(sandbox, Event::created, "", [&made](Record& next) { apply(next, made.created); });
  if (!state) {
    log::logger<"sandbox">().error("a made sandbox could not be recorded",
                                   {{"sandbox", sandbox->id()}, {"error", state.error()}});
    co_return;  // reconciliation finds it by its metadata
  }
  see(*sandbox, asked);
  if (*state == State::stopping) {
    // It was ended while the provider was at work: now there is a handle to end it by.
    co_await learn(sandbox, made.created);
    co_await bring_down(sandbox);
    co_return;
  }
  co_await answer(sandbox);
}

providers::CreateSpec Sandboxes::spec_of(const Sandbox& sandbox) const {
  const Record& record = sandbox.record;
  return {
      .id = sandbox.id(),
      .owner = with_.store.identity().store_id,
      .template_name = record.info.template_name,
      .env = record.hidden.env,
      .labels = record.info.labels,
      .limits = record.hidden.limits,
      .network = record.hidden.network,
      .lifetime = record.hidden.lease_ms + std::chrono::duration_cast<std::chrono::milliseconds>(kOrphanGrace),
      .secret = record.hidden.secret.data,
  };
}

async::Task<> Sandboxes::answer(std::shared_ptr<Sandbox> sandbox) {
  providers::Provider* by = provider(sandbox->record.info.provider);
  const Result<void> prepared =
      co_await async::with_timeout(with_.loop, by->prepare(sandbox->record.hidden.ref, spec_of(*sandbox)),
                                   with_.config.sandbox.create_timeout, "bring agentd up");
  if (sandbox->state() != State::starting) co_return;  // ended meanwhile
  if (!prepared) {
    const Result<State> stopping = co_await advance(sandbox, Event::stop, prepared.error().message);
    if (stopping) co_await bring_down(sandbox);
    co_return;
  }
  open_link(sandbox);
  tasks_.spawn(watch_end(sandbox));
  tasks_.spawn(watch_limits(sandbox));
  auto connection = co_await reach(with_.loop, sandbox, kFirstAnswer);
  if (!connection) {
    const Result<State> stopping =
        co_await advance(sandbox, Event::stop, "agentd did not answer: " + connection.error().message);
    if (stopping) co_await bring_down(sandbox);
    co_return;
  }
  const Instant asked = instant();
  const auto facts = co_await wire::call_with_timeout(**connection, api::inside::kAgentdInfo, {}, 10s);
  if (facts) see(*sandbox, asked);
  const Result<State> ready = co_await advance(sandbox, Event::answered, "", [&facts](Record& next) {
    if (!facts) return;
    next.info.agentd_version = facts->version;
    next.info.system = facts->system;
  });
  if (!ready) co_return;
  tasks_.spawn(keep_alive(sandbox));
}

async::Task<> Sandboxes::lease_out(std::shared_ptr<Sandbox> sandbox) {
  const Result<State> stopping =
      co_await advance(sandbox, Event::stop,
                       sandbox->lifetime_until != MonoTime{} && with_.loop.clock().now() >= sandbox->lifetime_until
                           ? "its lifetime is over"
                           : "its lease ran out");
  if (stopping && *stopping == State::stopping) co_await bring_down(sandbox);
}

async::Task<> Sandboxes::bring_down(std::shared_ptr<Sandbox> sandbox) {
  if (sandbox->bringing_down) co_return;
  sandbox->bringing_down = true;
  sandbox->lease_timer.cancel();
  sandbox->link.reset();
  providers::Provider* by = provider(sandbox->record.info.provider);
  if (by == nullptr) {
    // Only its provider can end it. It stays as it is until that is configured again, and says why.
    sandbox->record.info.reason = not_served(*sandbox);
    sandbox->bringing_down = false;
    sandbox->changed.notify_all();
    co_return;
  }
  When when;
  if (!sandbox->record.hidden.ref.empty()) {
    // It ended after it was last known to be there, whoever ended it.
    if (!sandbox->ending) {
      sandbox->ending = instant();
      if (const std::optional<Instant> there = last_there(*sandbox)) sandbox->seen = there;
    }
    const Result<void> killed = co_await by->kill(sandbox->record.hidden.ref);
    when.at = instant();
    if (!killed) {
      // Stays `stopping` and keeps its capacity; reconciliation tries again.
      log::logger<"sandbox">().warn("sandbox could not be ended yet",
                                    {{"sandbox", sandbox->id()}, {"error", killed.error()}});
      sandbox->bringing_down = false;
      tasks_.spawn(bring_down_later(sandbox));
      co_return;
    }
    sandbox->kill_failures = 0;
  } else if (sandbox->state() == State::stopping && sandbox->record.hidden.ref.empty()) {
    // The provider was asked and has not said what it made; whoever waits for that answer calls again.
    sandbox->bringing_down = false;
    co_return;
  }
  if (sandbox->ending) {
    when.not_before = last_seen(*sandbox);
    when.found = !when.not_before;
    when.ended = co_await by->ended_at(sandbox->record.hidden.ref);
  }
  const Result<State> gone =
      co_await advance(sandbox, Event::ended, sandbox->record.info.reason.value_or(""), [](Record&) {}, {}, when);
  if (!gone)
    log::logger<"sandbox">().error("the end of a sandbox could not be recorded",
                                   {{"sandbox", sandbox->id()}, {"error", gone.error()}});
  sandbox->bringing_down = false;
}

async::Task<> Sandboxes::bring_down_later(std::shared_ptr<Sandbox> sandbox) {
  // 1 s, 2 s, 4 s ...; beyond half a minute reconciliation is as fast.
  co_await async::sleep_for(with_.loop, kKillAgain * (1 << std::min(sandbox->kill_failures++, 5)));
  const bool wanted = sandbox->state() == State::stopping || sandbox->state() == State::lost;
  if (wanted) co_await bring_down(sandbox);
}

async::Task<> Sandboxes::watch_end(std::shared_ptr<Sandbox> sandbox) {
  providers::Provider* by = provider(sandbox->record.info.provider);
  sandbox->watched = instant();
  co_await by->gone(sandbox->record.hidden.ref);
  if (sandbox->bringing_down || is_final(sandbox->state())) co_return;
  const std::optional<Instant> there = last_there(*sandbox);
  sandbox->watched.reset();
  When when{.not_before = there, .found = !there, .ended = {}, .at = instant()};
  when.ended = co_await by->ended_at(sandbox->record.hidden.ref);
  const Result<State> state = co_await advance(sandbox, Event::ended, "it ended by itself", [](Record&) {}, {}, when);
  // What it left (directories, cgroups) is removed by the same call that ends a living one.
  if (state && !is_final(*state)) co_await bring_down(sandbox);
}

async::Task<> Sandboxes::renew(std::shared_ptr<Sandbox> sandbox) {
  const auto connection = sandbox->link != nullptr ? sandbox->link->current() : nullptr;
  if (connection == nullptr || !is_usable(sandbox->state())) co_return;
  const Duration left = std::max<Duration>(sandbox->lease_until - with_.loop.clock().now(), 0s) + kOrphanGrace;
  const api::AgentdKeepaliveRequest request{.ttl_ms = std::chrono::duration_cast<std::chrono::milliseconds>(left)};
  const Instant asked = instant();
  const auto answered = co_await wire::call_with_timeout(*connection, api::inside::kAgentdKeepalive, request, 10s);
  if (answered) see(*sandbox, asked);
  if (!answered)
    log::logger<"sandbox">().debug("keepalive failed", {{"sandbox", sandbox->id()}, {"error", answered.error()}});
  providers::Provider* by = provider(sandbox->record.info.provider);
  if (!by->capabilities().extend) co_return;
  const Result<void> extended = co_await by->extend(sandbox->record.hidden.ref, left);
  if (!extended)
    log::logger<"sandbox">().warn("lease could not be extended",
                                  {{"sandbox", sandbox->id()}, {"error", extended.error()}});
}

async::Task<> Sandboxes::keep_alive(std::shared_ptr<Sandbox> sandbox) {
  const Duration lease = sandbox->record.hidden.lease_ms;
  const Duration pause = std::clamp<Duration>(lease / 3, 200ms, 30s);
  while (!is_final(sandbox->state()) && sandbox->state() != State::stopping && sandbox->link != nullptr) {
    co_await renew(sandbox);
    co_await async::sleep_for(with_.loop, pause);
  }
}

async::Task<Result<void>> Sandboxes::look_up(std::shared_ptr<Sandbox> sandbox) {
  providers::Provider* by = provider(sandbox->record.info.provider);
  const Instant asked = instant();
  const auto listed = co_await by->list();
  if (!listed) co_return fail(listed.error(), "look up");
  for (const providers::Listed& entry : *listed) {
    if (entry.id != sandbox->id() || entry.owner != with_.store.identity().store_id) continue;
    see(*sandbox, shown_in_list(*by, asked));
    const Result<State> state =
        co_await advance(sandbox, Event::found, "", [&entry](Record& next) { apply(next, entry.created); });
    if (!state) co_return fail(state.error());
    if (*state == State::stopping) {
      co_await learn(sandbox, entry.created);
      co_await bring_down(sandbox);
    } else if (*state == State::starting) {
      co_await answer(sandbox);
    }
    co_return {};
  }
  // Some providers list late: it is not absent before they would have shown it.
  const Duration late = by->capabilities().lists_within - (asked.mono - sandbox->asked);
  if (late > 0s) {
    co_await async::sleep_for(with_.loop, late + 1ms);
    if (is_final(sandbox->state())) co_return {};
    Result<void> again = co_await look_up(sandbox);
    co_return again;
  }
  const Result<State> state = co_await advance(sandbox, Event::absent, "the provider never made it");
  if (!state) co_return fail(state.error());
  co_return {};
}

/// Writes down by what the provider knows one that is being ended, before it is ended by that: a restart in between
/// would not find it in any list.
async::Task<> Sandboxes::learn(std::shared_ptr<Sandbox> sandbox, providers::Created created) {
  const auto turn = co_await sandbox->turn.take();
  if (is_final(sandbox->state()) || !sandbox->record.hidden.ref.empty()) co_return;
  Record next = sandbox->record;
  apply(next, created);
  const Result<void> written =
      co_await with_.store.write("sandbox.learn", store::Durability::power,
                                 [next](store::Changes& changes) { return update(changes.db(), next); });
  if (!written)
    log::logger<"sandbox">().warn("its handle is not recorded",
                                  {{"sandbox", sandbox->id()}, {"error", written.error()}});
  apply(sandbox->record, created);
}

/// One that stands still is left alone: nobody answers there, and a service may wake what is knocked at, which nobody
/// would book.
async::Task<Result<std::unique_ptr<transport::Stream>>> Sandboxes::dial(providers::Provider& by,
                                                                        std::weak_ptr<Sandbox> of) {
  std::string ref;
  {
    const std::shared_ptr<Sandbox> sandbox = of.lock();
    while (sandbox != nullptr && sandbox->state() == State::paused) co_await sandbox->changed.wait();
    if (sandbox == nullptr || is_final(sandbox->state())) co_return fail(Code::unavailable, "the sandbox has ended");
    ref = sandbox->record.hidden.ref;
  }
  auto stream = co_await by.dial(std::move(ref));
  co_return stream;
}

void Sandboxes::open_link(const std::shared_ptr<Sandbox>& sandbox) {
  Result<wire::TunnelSecret> secret =
      wire::TunnelSecret::from_bytes(std::as_bytes(std::span(sandbox->record.hidden.secret.data)));
  if (!secret) {
    log::logger<"sandbox">().error("a sandbox's secret is damaged; it cannot be reached", {{"sandbox", sandbox->id()}});
    return;
  }
  providers::Provider* by = provider(sandbox->record.info.provider);
  sandbox->link =
      std::make_unique<Link>(with_.loop, with_.random, with_.tunnels,
                             Link::Options{.sandbox = sandbox->id(),
                                           .secret = std::move(*secret),
                                           .dial = [by, weak = std::weak_ptr(sandbox)] { return dial(*by, weak); },
                                           .router = with_.tunnel_router,
                                           .changed =
                                               [this, weak = std::weak_ptr(sandbox)](api::TunnelState state) {
                                                 if (const auto live = weak.lock()) {
                                                   live->record.info.tunnel = state;
                                                   if (state == api::TunnelState::up) {
                                                     tasks_.spawn(fetch_happenings(live->id(), live->link->current()));
                                                     // At once: a daemon that is restarted again and again would
                                                     // else never be there when the next renewal is due.
                                                     tasks_.spawn(renew(live));
                                                     if (connected_) connected_(live->id(), live->link->current());
                                                   }
                                                   live->changed.notify_all();
                                                 }
                                               }});
  sandbox->link->start();
}

void Sandboxes::arm_lease(const std::shared_ptr<Sandbox>& sandbox) {
  const MonoTime now = with_.loop.clock().now();
  sandbox->lease_until = std::max(sandbox->lease_until, now + Duration(sandbox->record.hidden.lease_ms));
  MonoTime when = sandbox->lease_until;
  if (sandbox->lifetime_until != MonoTime{}) when = std::min(when, sandbox->lifetime_until);
  sandbox->record.info.lease_expires_us =
      with_.loop.clock().wall().us + std::chrono::duration_cast<std::chrono::microseconds>(when - now).count();
  sandbox->lease_timer.start_at(when, [this, weak = std::weak_ptr(sandbox)] {
    const auto live = weak.lock();
    if (live == nullptr) return;
    const bool over = live->lifetime_until != MonoTime{} && with_.loop.clock().now() >= live->lifetime_until;
    const bool pooled = live->state() == State::ready && !live->record.hidden.pool.empty();
    // While it is being made nobody can use it; making has deadlines of its own.
    const bool coming = is_coming(live->state());
    // A pause may be long: whoever paused it wants it back, and its lifetime still holds.
    const bool paused = live->state() == State::paused;
    if ((live->uses > 0 || pooled || coming || paused) && !over) {
      arm_lease(live);  // in use: a use is a lease that renews itself
      return;
    }
    tasks_.spawn(lease_out(live));
  });
}

}  // namespace swarm::sandbox
