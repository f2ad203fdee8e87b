// Sandboxes that nobody uses: paused, later ended, as they were asked for. A lease is a promise that somebody is still
// there; idleness looks at what happens. So one whose holder extends its lease and runs nothing in it is idle all the
// same.
#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/sandboxes.hpp"

namespace swarm::sandbox {
namespace {

std::string reason_of(std::chrono::milliseconds idle) { return "nobody used it for " + async::format_duration(idle); }

}  // namespace

void Sandboxes::fell_idle(const std::shared_ptr<Sandbox>& sandbox) {
  sandbox->idle_since = with_.loop.clock().now();
  arm_idle(sandbox);
}

void Sandboxes::arm_idle(const std::shared_ptr<Sandbox>& sandbox) {
  const api::SandboxInfo& info = sandbox->record.info;
  std::optional<MonoTime> when;
  const auto by = [&](const std::optional<std::chrono::milliseconds>& after) {
    if (after) when = std::min(when.value_or(sandbox->idle_since + *after), sandbox->idle_since + *after);
  };
  if (info.state == State::claimed) by(info.idle_pause_ms);
  // Whoever paused it wants it back.
  if (info.state == State::claimed || sandbox->record.hidden.idle_paused) by(info.idle_kill_ms);
  if (!when) {
    sandbox->idle_timer.cancel();
    return;
  }
  sandbox->idle_timer.start_at(*when, [this, weak = std::weak_ptr(sandbox)] {
    if (const auto live = weak.lock()) tasks_.spawn(idle_out(live));
  });
}

async::Task<> Sandboxes::idle_out(std::shared_ptr<Sandbox> sandbox) {
  const State state = sandbox->state();
  if (sandbox->uses > 0 || (state != State::claimed && !sandbox->record.hidden.idle_paused)) co_return;
  const Duration idle = with_.loop.clock().now() - sandbox->idle_since;
  const api::SandboxInfo info = sandbox->record.info;
  if (info.idle_kill_ms && idle >= *info.idle_kill_ms) {
    const Result<State> stopping = co_await advance(sandbox, Event::stop, reason_of(*info.idle_kill_ms));
    if (!stopping || *stopping != State::stopping) co_return;
    ++claims_.idle_killed;
    co_await bring_down(sandbox);
    co_return;
  }
  if (state != State::claimed || !info.idle_pause_ms || idle < *info.idle_pause_ms) co_return;
  const providers::Provider* by = provider(info.provider);
  if (by == nullptr || !by->capabilities().pause) co_return;
  const Result<void> paused =
      co_await pause_it(sandbox, reason_of(*info.idle_pause_ms), [](Record& next) { next.hidden.idle_paused = true; });
  if (paused) {
    ++claims_.idle_paused;
    arm_idle(sandbox);  // it may be ended later on
    if (sandbox->uses == 0) co_return;
    const Result<void> resumed = co_await resume_it(sandbox);  // a use began meanwhile
    if (!resumed)
      log::logger<"sandbox">().warn("it stays paused", {{"sandbox", sandbox->id()}, {"error", resumed.error()}});
  } else {
    fell_idle(sandbox);  // tried again after as long
    log::logger<"sandbox">().warn("an idle sandbox could not be paused",
                                  {{"sandbox", sandbox->id()}, {"error", paused.error()}});
  }
}

}  // namespace swarm::sandbox
