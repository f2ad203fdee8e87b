// What is written, compared with what providers have. It never prolongs what it looks at, and leaves the sandboxes of
// other daemons alone.
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

}  // namespace

async::Task<Result<void>> Sandboxes::recover() {
  Result<std::vector<Record>> records = load_living(with_.store.reader());
  if (!records) co_return fail(records.error(), "take up sandboxes");
  for (Record& record : *records) {
    record.info.tunnel = api::TunnelState::down;
    const bool stopping = record.info.state == State::stopping;
    adopt(std::move(record))->asked_to_end_before = stopping;
  }
  const Result<void> counted = co_await account_all();
  if (!counted) co_return fail(counted.error(), "take up sandboxes");
  co_await reconcile();
  tasks_.spawn(reconcile_always());
  Result<void> opened = open_pools();
  co_return opened;
}

async::Task<> Sandboxes::reconcile_always() {
  for (;;) {
    co_await async::sleep_for(with_.loop, with_.reconcile_every);
    co_await reconcile();
  }
}

async::Task<> Sandboxes::reconcile() {
  for (providers::Provider* each : with_.providers) co_await reconcile_provider(*each);
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
    logger().warn("provider cannot be asked", {{"provider", by.name()}, {"error", listed.error()}});
    co_return;
  }
  std::map<std::string, const providers::Listed*> by_id;
  for (const providers::Listed& entry : *listed) {
    if (entry.owner == with_.store.identity().store_id) by_id[entry.id] = &entry;
  }

  for (const auto& sandbox : ours) {
    const auto entry = by_id.find(sandbox->id());
    const bool exists = entry != by_id.end();
    if (exists) sandbox->seen = asked;
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
          // Too young to be in a list that comes late.
          if (asked.mono - sandbox->asked < by.capabilities().lists_within) break;
          const Result<State> state =
              co_await advance(sandbox, Event::vanished, "the provider no longer lists it", [](Record&) {}, {},
                               {.not_before = sandbox->seen, .found = !sandbox->seen});
          if (state) tasks_.spawn(bring_down(sandbox));
        } else if (sandbox->link == nullptr) {
          tasks_.spawn(take_up(sandbox));
          if (sandbox->state() == State::paused) tasks_.spawn(pause_again(sandbox, entry->second->paused));
        } else if (entry->second->paused && is_usable(sandbox->state())) {
          tasks_.spawn(go_on(sandbox));
        }
        break;
      case State::stopping:
      case State::lost:
        if (exists && sandbox->state() == State::lost) {
          const Result<State> again = co_await advance(sandbox, Event::found, "the provider lists it again");
          if (!again) logger().warn("it could not be recorded", {{"sandbox", sandbox->id()}, {"error", again.error()}});
        }
        if (exists && sandbox->record.hidden.ref.empty()) sandbox->record.hidden.ref = entry->second->ref;
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
    // Ours by its metadata, and not among the living: ended in the record, or never recorded.
    logger().warn("ending a sandbox that nobody recorded", {{"provider", by.name()}, {"sandbox", id}});
    const Result<void> killed = co_await by.kill(entry->ref);
    if (!killed) logger().warn("it could not be ended", {{"sandbox", id}, {"error", killed.error()}});
  }
}

async::Task<> Sandboxes::settle(std::shared_ptr<Sandbox> sandbox) {
  const Result<void> looked = co_await look_up(sandbox);
  if (!looked) logger().warn("sandbox is still unknown", {{"sandbox", sandbox->id()}, {"error", looked.error()}});
}

async::Task<> Sandboxes::take_up(std::shared_ptr<Sandbox> sandbox) {
  if (sandbox->state() == State::starting) {
    co_await answer(sandbox);
    co_return;
  }
  open_link(sandbox);
  tasks_.spawn(watch_end(sandbox));
  tasks_.spawn(keep_alive(sandbox));
}

}  // namespace swarm::sandbox
