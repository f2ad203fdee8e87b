// Limits that a provider cannot have the kernel hold: it watches, and stops a sandbox that has passed one. Here that is
// written down, told, and undone by who raises the limit or makes room.
#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// A store that cannot write, perhaps because the same disk is full, is asked again after this.
constexpr Duration kAgain = 2s;

/// What happened, and what a person can do.
std::string explain(const std::string& id, const std::string& happened) {
  return fmt::format(
      "{0}. 'swarmctl sandbox resize {1} --disk SIZE' raises the limit and lets it go on; "
      "'swarmctl sandbox resume {1}' lets it go on for a little more, so that room can be made inside",
      happened, id);
}

}  // namespace

async::Task<> Sandboxes::watch_limits(std::shared_ptr<Sandbox> sandbox) {
  providers::Provider* by = provider(sandbox->record.info.provider);
  for (;;) {
    const std::optional<providers::Overrun> overrun = co_await by->overrun(sandbox->record.hidden.ref);
    if (!overrun || sandbox->bringing_down) co_return;
    while (is_coming(sandbox->state())) co_await sandbox->changed.wait();
    const Result<void> told = co_await stopped_at(sandbox, *overrun);
    if (!told) {
      log::logger<"sandbox">().warn("a sandbox stands at its limit, and that could not be recorded",
                                    {{"sandbox", sandbox->id()}, {"error", told.error()}});
      co_await async::sleep_for(with_.loop, kAgain);
      continue;
    }
    while (sandbox->state() == State::paused) co_await sandbox->changed.wait();
    if (!is_usable(sandbox->state())) co_return;
  }
}

async::Task<Result<void>> Sandboxes::stopped_at(std::shared_ptr<Sandbox> sandbox, providers::Overrun overrun) {
  const std::string reason = explain(sandbox->id(), overrun.message);
  if (sandbox->state() == State::ready && !sandbox->record.hidden.pool.empty()) {
    co_await discard(sandbox->id(), reason);
    co_return {};
  }
  if (is_usable(sandbox->state())) {
    Result<void> paused = co_await pause_it(sandbox, reason, [](Record& next) { next.hidden.at_limit = true; });
    if (!paused) co_return paused;
  }
  if (sandbox->state() != State::paused) co_return {};
  const api::SandboxLimitHit hit{.resource = overrun.resource, .limit = overrun.limit, .message = reason};
  co_await tell(
      {.type = std::string(api::kSandboxLimit.name), .sandbox = sandbox->id(), .data = wire::encode(api::encode(hit))});
  co_return {};
}

async::Task<Result<api::SandboxInfo>> Sandboxes::resize(std::string what, api::SandboxResizeRequest request) {
  const Result<std::shared_ptr<Sandbox>> found = find(what);
  if (!found) co_return fail(found.error());
  const auto sandbox = *found;
  const Result<providers::Provider*> by = provider_of(*sandbox);
  if (!by) co_return fail(by.error());
  if (!is_usable(sandbox->state()) && sandbox->state() != State::paused) {
    co_return fail(Code::failed_precondition,
                   fmt::format("sandbox {} is {}; only one that runs or is paused has limits "
                               "that can be changed",
                               sandbox->id(), state_name(sandbox->state())));
  }
  const auto limits = co_await (*by)->limit_disk(sandbox->record.hidden.ref, request.disk_bytes);
  if (!limits) co_return fail(limits.error());
  {
    const auto turn = co_await sandbox->turn.take();
    const auto apply = [&](Record& record) {
      record.hidden.limits.disk_bytes = request.disk_bytes;
      record.info.limits = *limits;
    };
    Record next = sandbox->record;
    apply(next);
    const Result<void> written =
        co_await with_.store.write("sandbox.resize", store::Durability::process,
                                   [next](store::Changes& changes) { return update(changes.db(), next); });
    if (!written) co_return fail(written.error());
    apply(sandbox->record);
  }
  if (sandbox->state() == State::paused && sandbox->record.hidden.at_limit) {
    const Result<void> resumed = co_await resume_it(sandbox);
    if (!resumed && sandbox->state() == State::paused) co_return fail(resumed.error());
  }
  co_return sandbox->record.info;
}

}  // namespace swarm::sandbox
