// What is written, compared with what providers have. It never prolongs what it looks at, and leaves the sandboxes of
// other daemons alone.
#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/sandboxes.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// Lists may be long: after so many sandboxes others have their turn on the loop.
constexpr std::size_t kLookedAtATurn = 200;

/// It was made, and nobody has ended it or given it up.
bool is_there(State state) {
  return state == State::starting || state == State::ready || state == State::claimed || state == State::paused;
}

}  // namespace

async::Task<Result<void>> Sandboxes::recover() {
  Result<std::vector<Record>> records = load_living(with_.store.reader());
  if (!records) co_return fail(records.error(), "take up sandboxes");
  for (Record& record : *records) {
    record.info.tunnel = api::TunnelState::down;
    adopt(std::move(record));
  }
  co_await take_up_unserved();
  const Result<void> counted = co_await account_all();
  if (!counted) co_return fail(counted.error(), "take up sandboxes");
  co_await reconcile();
  tasks_.spawn(reconcile_always());
  Result<void> opened = open_pools();
  co_return opened;
}

std::string not_served(const Sandbox& sandbox) {
  return fmt::format(
      "provider '{0}' is not configured any more: sandbox {1} may still run there and cost. Configure '{0}' again and "
      "it is looked after, or ended if that was asked for",
      sandbox.record.info.provider, sandbox.id());
}

async::Task<> Sandboxes::take_up_unserved() {
  std::vector<std::shared_ptr<Sandbox>> unserved;
  for (const auto& [id, sandbox] : living_) {
    if (provider(sandbox->record.info.provider) == nullptr) unserved.push_back(sandbox);
  }
  for (const auto& sandbox : unserved) {
    if (sandbox->state() == State::requested) {  // nothing was asked of it: there is nothing to keep
      const Result<State> failed =
          co_await advance(sandbox, Event::refused,
                           fmt::format("provider '{}' is not configured any more", sandbox->record.info.provider));
      if (!failed)
        log::logger<"sandbox">().warn("it could not be recorded",
                                      {{"sandbox", sandbox->id()}, {"error", failed.error()}});
      continue;
    }
    sandbox->record.info.reason = not_served(*sandbox);
    log::logger<"sandbox">().warn("a sandbox is kept whose provider is not configured",
                                  {{"sandbox", sandbox->id()}, {"provider", sandbox->record.info.provider}});
  }
}

async::Task<> Sandboxes::reconcile_always() {
  // What an earlier run left may have been too young for the list at the start, as far as is known: nobody should use
  // it for a minute if it has ended.
  Duration wait{0};
  for (const providers::Provider* each : with_.providers) wait = std::max(wait, each->capabilities().lists_within);
  if (wait == Duration{0}) wait = with_.reconcile_every;
  wait = std::min(wait, with_.reconcile_every);
  for (;;) {
    co_await async::sleep_for(with_.loop, wait);
    co_await reconcile();
    wait = with_.reconcile_every;
  }
}

async::Task<> Sandboxes::reconcile() {
  for (providers::Provider* each : with_.providers) co_await reconcile_provider(*each);
  co_await end_orphans_begun();
}

async::Task<> Sandboxes::reconcile_provider(providers::Provider& by) {
  // Taken before the list: what is begun while it is fetched is not missing from it.
  std::vector<std::shared_ptr<Sandbox>> ours;
  for (const auto& [id, sandbox] : living_) {
    if (sandbox->record.info.provider == by.name()) ours.push_back(sandbox);
  }
  const Instant asked = instant();
  const auto listed = co_await by.list();
  if (!listed) {
    log::logger<"sandbox">().warn("provider cannot be asked", {{"provider", by.name()}, {"error", listed.error()}});
    co_return;
  }
  std::map<std::string, const providers::Listed*> by_id;
  for (const providers::Listed& entry : *listed) {
    if (entry.owner == with_.store.identity().store_id) by_id[entry.id] = &entry;
  }

  std::size_t looked_at = 0;
  for (const auto& sandbox : ours) {
    if (++looked_at % kLookedAtATurn == 0) co_await with_.loop.yield();
    const auto entry = by_id.find(sandbox->id());
    const bool exists = entry != by_id.end();
    if (exists) see(*sandbox, shown_in_list(by, asked));
    switch (sandbox->state()) {
      case State::requested:
        // Nothing was asked of a provider; go on where the last run stopped.
        if (!sandbox->coming_up && !exists) tasks_.spawn(bring_up(sandbox));
        break;
      case State::creating:
      case State::unknown:
        // After a restart only: a create under way in this run is in nobody's hands but its own.
        if (!sandbox->creating) tasks_.spawn(settle(sandbox));
        break;
      case State::starting:
      case State::ready:
      case State::claimed:
      case State::paused:
        if (!exists) {
          const Result<bool> gone = co_await by.is_gone(sandbox->record.hidden.ref);
          if (!gone) break;
          if (!*gone) {
            if (sandbox->link == nullptr && is_there(sandbox->state())) tasks_.spawn(take_up(sandbox));
            break;
          }
          // Too young to be in a list that comes late.
          if (asked.mono - sandbox->asked < by.capabilities().lists_within) break;
          if (!is_there(sandbox->state())) break;  // somebody ended it meanwhile
          const Result<State> state = co_await advance(sandbox, Event::vanished, "the provider no longer lists it");
          if (state) tasks_.spawn(bring_down(sandbox));
        } else if (sandbox->link == nullptr) {
          tasks_.spawn(take_up(sandbox));
          if (sandbox->state() == State::paused) {
            sandbox->may_run = asked;  // for all that is known an earlier run was at it
            compare_pause(by, sandbox, entry->second->paused, asked);
          }
        } else if (sandbox->state() == State::paused) {
          compare_pause(by, sandbox, entry->second->paused, asked);
        } else if (is_usable(sandbox->state()) && entry->second->paused && !entry->second->at_limit) {
          tasks_.spawn(go_on(sandbox));
        }
        if (exists && is_usable(sandbox->state()) && sandbox->record.hidden.may_stand && !entry->second->paused) {
          tasks_.spawn(settle_pause(sandbox, asked));
        }
        break;
      case State::stopping:
      case State::lost:
        if (exists && sandbox->state() == State::lost) {
          const Result<State> again = co_await advance(sandbox, Event::found, "the provider lists it again");
          if (!again)
            log::logger<"sandbox">().warn("it could not be recorded",
                                          {{"sandbox", sandbox->id()}, {"error", again.error()}});
        }
        if (exists && sandbox->record.hidden.ref.empty() && !sandbox->creating) {
          co_await learn(sandbox, entry->second->created);
        }
        if (sandbox->record.hidden.ref.empty() && !sandbox->creating) {
          tasks_.spawn(settle(sandbox));  // nobody waits any more for what the provider would say
        } else {
          tasks_.spawn(bring_down(sandbox));
        }
        break;
      case State::gone:
      case State::failed:
        break;
    }
  }

  for (const auto& [id, entry] : by_id) {
    if (living_.contains(id)) continue;
    co_await end_orphan(by, *entry, asked);
  }
}

void Sandboxes::compare_pause(const providers::Provider& by, const std::shared_ptr<Sandbox>& sandbox, bool is_paused,
                              Instant asked) {
  const bool woken = sandbox->stood && sandbox->stood->mono < asked.mono;
  if (!is_paused) {
    if (sandbox->may_run || woken) tasks_.spawn(pause_again(sandbox, asked));
  } else if (!sandbox->may_run) {
    if (sandbox->stood) sandbox->stood = later(sandbox->stood, asked);
  } else {
    if (!sandbox->still) sandbox->still = instant();
    // Like what was asked to be made, it may show late.
    if (asked.mono - sandbox->may_run->mono >= by.capabilities().lists_within) {
      tasks_.spawn(settle_resume(sandbox, asked));
    }
  }
}

/// Ours by its metadata, and not among the living: ended in the record, or never recorded.
async::Task<> Sandboxes::end_orphan(providers::Provider& by, providers::Listed entry, Instant asked) {
  const Instant listed = instant();
  Result<std::optional<Record>> record = co_await with_.store.read(
      [id = entry.id](store::Database& db) -> Result<std::optional<Record>> { return load(db, id); });
  if (!record) {
    log::logger<"sandbox">().warn("it could not be looked up", {{"sandbox", entry.id}, {"error", record.error()}});
    co_return;
  }
  if (!*record) {  // a store that was restored from an older copy
    log::logger<"sandbox">().warn("ending a sandbox that nobody recorded",
                                  {{"provider", by.name()}, {"sandbox", entry.id}});
    const Result<void> killed = co_await by.kill(entry.ref);
    if (!killed)
      log::logger<"sandbox">().warn("it could not be ended", {{"sandbox", entry.id}, {"error", killed.error()}});
    co_return;
  }
  Record& known = **record;
  if (!is_final(known.info.state)) co_return;  // it is just being taken up
  // One whose create was never answered, and that was not listed when it was looked up, cost and is not in the books.
  // One with a handle is: its end was recorded.
  if (known.hidden.ref.empty()) {
    known.hidden.ref = entry.ref;
    known.info.provider_id = entry.provider_id;
    const std::optional<WallTime> started = entry.started ? entry.started : entry.created.started;
    if (started) known.hidden.started_us = started->us;
    const std::int64_t age_us = std::max<std::int64_t>(0, listed.wall.us - known.info.created_us);
    Step found{.record = known,
               .at = listed,
               .when = {.not_before = Instant{.wall = {listed.wall.us - age_us},
                                              .mono = listed.mono - std::chrono::microseconds(age_us)}},
               .bills_paused = by.capabilities().bills_paused,
               .provider_started = started};
    found.record.info.state = State::starting;
    const Result<void> written =
        co_await with_.store.write("sandbox.orphan", store::Durability::power,
                                   [known, found, steward = with_.steward](store::Changes& changes) -> Result<void> {
                                     if (Result<void> done = update(changes.db(), known); !done) return done;
                                     return steward == nullptr ? Result<void>{} : steward->stepped(changes, found);
                                   });
    if (!written) {
      log::logger<"sandbox">().warn("its cost could not be recorded",
                                    {{"sandbox", entry.id}, {"error", written.error()}});
      co_return;
    }
  }
  log::logger<"sandbox">().warn("ending a sandbox that its record has as ended",
                                {{"provider", by.name()}, {"sandbox", entry.id}});
  const Result<void> ended = co_await end_record(by, known, shown_in_list(by, asked));
  if (!ended) log::logger<"sandbox">().warn("it could not be ended", {{"sandbox", entry.id}, {"error", ended.error()}});
}

async::Task<Result<void>> Sandboxes::end_record(providers::Provider& by, Record record, Instant there) {
  const Result<void> killed = co_await by.kill(record.hidden.ref);
  if (!killed) co_return fail(killed.error());
  if (with_.steward == nullptr) co_return {};
  const Instant now = instant();
  there = later(there, seen_by(by, record.hidden.ref));
  Step gone{.record = record, .at = now, .when = {.not_before = there}, .bills_paused = by.capabilities().bills_paused};
  gone.record.info.state = State::gone;
  if (record.hidden.started_us) gone.provider_started = WallTime{*record.hidden.started_us};
  gone.when.ended = co_await by.ended_at(record.hidden.ref);
  Result<void> written = co_await with_.store.write(
      "sandbox.orphan_gone", store::Durability::power,
      [gone, steward = with_.steward](store::Changes& changes) { return steward->stepped(changes, gone); });
  co_return written;
}

async::Task<> Sandboxes::end_orphans_begun() {
  if (with_.steward == nullptr) co_return;
  // There may be many thousands, and the loop has other things to do: it looks for itself only where there is one.
  const auto is_nobodys = [this](const std::string& id) { return !living_.contains(id); };
  Result<std::vector<std::string>> open =
      co_await with_.store.read([steward = with_.steward](store::Database& db) { return steward->open(db); });
  if (!open || std::ranges::none_of(*open, is_nobodys)) co_return;
  // A row goes with the record of its end, in one transaction; so none of these is on its way there.
  open = with_.steward->open(with_.store.reader());
  if (!open) co_return;
  for (const std::string& id : *open) {
    if (living_.contains(id)) continue;
    const Result<std::optional<Record>> record = load(with_.store.reader(), id);
    if (!record || !*record || !is_final((*record)->info.state)) continue;
    providers::Provider* by = provider((*record)->info.provider);
    if (by == nullptr || (*record)->hidden.ref.empty()) continue;
    // Where it is not in the list any more, it has ended since that one was: at any time.
    const Instant since{.wall = {(*record)->info.created_us}, .mono = {}};
    const Result<void> ended = co_await end_record(*by, **record, since);
    if (!ended) log::logger<"sandbox">().warn("it could not be ended", {{"sandbox", id}, {"error", ended.error()}});
  }
}

async::Task<> Sandboxes::settle(std::shared_ptr<Sandbox> sandbox) {
  const Result<void> looked = co_await look_up(sandbox);
  if (!looked)
    log::logger<"sandbox">().warn("sandbox is still unknown", {{"sandbox", sandbox->id()}, {"error", looked.error()}});
}

async::Task<> Sandboxes::take_up(std::shared_ptr<Sandbox> sandbox) {
  if (sandbox->state() == State::starting) {
    co_await answer(sandbox);
    co_return;
  }
  open_link(sandbox);
  tasks_.spawn(watch_end(sandbox));
  tasks_.spawn(watch_limits(sandbox));
  tasks_.spawn(keep_alive(sandbox));
}

}  // namespace swarm::sandbox
