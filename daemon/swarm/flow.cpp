// The steps of a swarm's life. Each can be done again: what it makes is named by the swarm, and found again by that.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/log/log.hpp"
#include "daemon/swarm/agents.hpp"
#include "daemon/swarm/swarms.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::swarms {
namespace {

using api::SwarmState;
using api::SwarmStep;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

// What may pass by itself is tried again so often, with growing pauses, before the swarm has failed.
constexpr int kTries = 6;
constexpr Duration kFirstPause = 250ms;

SwarmStep after(SwarmStep step) {
  switch (step) {
    case SwarmStep::none:
      return SwarmStep::sandbox;
    case SwarmStep::sandbox:
      return SwarmStep::team;
    case SwarmStep::team:
      return SwarmStep::import;
    case SwarmStep::import:
      return SwarmStep::agents;
    case SwarmStep::agents:
      return SwarmStep::run;
    case SwarmStep::run:
      return SwarmStep::deliver;
    case SwarmStep::deliver:
      return SwarmStep::publish;
    case SwarmStep::publish:
      return SwarmStep::teardown;
    case SwarmStep::teardown:
    case SwarmStep::over:
    case SwarmStep::unknown:
      return SwarmStep::over;
  }
  return SwarmStep::over;
}

SwarmState state_in(SwarmStep step, const Record& record) {
  switch (step) {
    case SwarmStep::none:
    case SwarmStep::sandbox:
    case SwarmStep::team:
    case SwarmStep::import:
    case SwarmStep::agents:
      return SwarmState::preparing;
    case SwarmStep::run:
      return SwarmState::working;
    case SwarmStep::deliver:
    case SwarmStep::publish:
    case SwarmStep::teardown:
      return SwarmState::delivering;
    case SwarmStep::over:
    case SwarmStep::unknown:
      break;
  }
  if (record.hidden.stop_asked) return SwarmState::ended;
  return record.info.published.empty() ? SwarmState::ended : SwarmState::done;
}

}  // namespace

async::Task<> Swarms::carry_on(std::shared_ptr<Swarm> swarm) {
  while (swarm->record.info.step != SwarmStep::over) {
    const bool still = swarm->record.info.state == SwarmState::paused;
    if (const Result<void> attended = attend(*swarm, still ? Stands::still : Stands::not_still); !attended) {
      co_await fail_with(swarm, attended.error());
      break;
    }
    if (swarm->record.info.state == SwarmState::paused) {
      co_await swarm->changed.wait();
      continue;
    }
    // One that was ended by a person skips what it would have done.
    if (swarm->record.hidden.stop_asked && swarm->record.info.step < SwarmStep::deliver) {
      const Result<void> skipped = co_await change(swarm, [](Record& record) {
        record.info.step = record.info.sandbox.empty() ? SwarmStep::teardown : SwarmStep::deliver;
        record.info.state = SwarmState::delivering;
      });
      if (!skipped) co_await fail_with(swarm, skipped.error());
    }
    Result<SwarmStep> next = fail(Code::internal, "");
    Duration pause = kFirstPause;
    for (int tried = 1;; ++tried) {
      next = co_await do_step(swarm);
      if (next || !next.error().retryable || tried == kTries || swarm->record.hidden.stop_asked) break;
      log::logger<"swarm">().warn("a step is tried again", {{"swarm", swarm->id()}, {"error", next.error()}});
      co_await async::sleep_for(with_.loop, pause);
      pause *= 2;
    }
    if (!next && swarm->record.hidden.stop_asked && swarm->record.info.step < SwarmStep::teardown) {
      // It is to end: what cannot be fetched any more does not keep it from that.
      log::logger<"swarm">().warn("a swarm ends without a last step",
                                  {{"swarm", swarm->id()}, {"error", next.error()}});
      next = SwarmStep::teardown;
    }
    if (!next) {
      co_await fail_with(swarm, next.error());
      break;
    }
    const SwarmStep to = *next;
    const std::int64_t now = with_.loop.clock().wall().us;
    const Result<void> written = co_await change(swarm, [to, now](Record& record) {
      record.info.step = to;
      record.info.state = state_in(to, record);
      if (to == SwarmStep::over) record.info.ended_us = now;
    });
    if (!written) {
      co_await fail_with(swarm, written.error());
      break;
    }
    swarm->changed.notify_all();
  }
  swarm->uses.clear();
  swarm->carried_on = false;
  if (with_.authorities != nullptr) with_.authorities->let_go(swarm->id());
  living_.erase(swarm->id());
}

async::Task<> Swarms::fail_with(std::shared_ptr<Swarm> swarm, Error error) {
  log::logger<"swarm">().error("a swarm failed", {{"swarm", swarm->id()}, {"error", error}});
  const Result<std::string> kept = co_await keep_work(swarm);
  static_cast<void>(kept);  // what can be had of it; the reason below is the one that matters
  const Result<void> ended = co_await tear_down(swarm);
  if (!ended)
    log::logger<"swarm">().warn("a sandbox is left to its lease", {{"swarm", swarm->id()}, {"error", ended.error()}});
  const std::int64_t now = with_.loop.clock().wall().us;
  const Result<void> written = co_await change(swarm, [error, now](Record& record) {
    record.info.state = SwarmState::failed;
    record.info.reason = error.message;
    record.info.ended_us = now;
  });
  if (!written) log::logger<"swarm">().error("a swarm's end could not be recorded", {{"error", written.error()}});
}

async::Task<Result<SwarmStep>> Swarms::do_step(std::shared_ptr<Swarm> swarm) {
  const SwarmStep step = swarm->record.info.step;
  Result<void> done;
  switch (step) {
    case SwarmStep::none:
    case SwarmStep::agents:
    case SwarmStep::over:
    case SwarmStep::unknown:
      break;
    case SwarmStep::sandbox:
      done = co_await at_all(swarm, &Swarms::make_sandbox);
      break;
    case SwarmStep::team:
      done = co_await at_all(swarm, &Swarms::open_team);
      break;
    case SwarmStep::import:
      done = co_await import(swarm);
      break;
    case SwarmStep::run: {
      Result<SwarmStep> next = co_await run(swarm);
      co_return next;
    }
    case SwarmStep::deliver: {
      const Result<std::string> kept = co_await keep_work(swarm);
      if (!kept) co_return fail(kept.error());
      break;
    }
    case SwarmStep::publish:
      if (!swarm->record.info.head.empty() && swarm->record.hidden.publish_at_end) {
        const Result<git::Published> published = co_await publish(swarm, false);
        if (!published) co_return fail(published.error());
        if (swarm->record.hidden.ship && !swarm->record.hidden.stop_asked) {
          const Result<void> shipped = co_await outlet_->ship_at_end(swarm->id(), *swarm->record.hidden.ship);
          if (!shipped) co_return fail(shipped.error(), "the result is a branch, but does not leave");
        }
      }
      break;
    case SwarmStep::teardown:
      done = co_await tear_down(swarm);
      break;
  }
  if (!done) co_return fail(done.error());
  co_return after(step);
}

async::Task<Result<SwarmStep>> Swarms::run(std::shared_ptr<Swarm> swarm) {
  if (runs_ == nullptr) co_return fail(Code::internal, "there is no workflow engine");
  const api::SwarmInfo& info = swarm->record.info;
  // After a crash the sandbox must be held again before its lease ends.
  if (!spans(info)) {
    const auto connection = co_await agentd(swarm);
    if (!connection) co_return fail(connection.error());
  }
  if (info.run.empty()) {
    api::RunStartRequest request;
    request.workflow = info.workflow;
    request.definition = swarm->record.hidden.definition;
    request.feature = info.feature;
    request.test_command = info.test_command;
    for (const api::SwarmAgentInfo& agent : info.agents) {
      request.agents.push_back({.name = agent.id, .role = agent.role, .skills = agent.skills, .lead = agent.lead});
    }
    request.reviewers = info.review.reviewers;
    request.rounds = info.review.rounds;
    const Result<api::RunInfo> started = co_await runs_->start(swarm->id(), std::move(request));
    if (!started) co_return fail(started.error(), "begin the run");
    const Result<void> written = co_await change(swarm, [id = started->id](Record& record) { record.info.run = id; });
    if (!written) co_return fail(written.error());
  }
  async::TaskSet tending(with_.loop);
  swarm->offline.clear();
  swarm->broken.reset();
  for (const api::SwarmPlace& place : places_of(info)) tending.spawn(agents_->tend(swarm, place.name));
  for (;;) {
    if (swarm->record.hidden.stop_asked) co_return SwarmStep::deliver;
    if (swarm->broken) co_return fail(*swarm->broken);
    if (swarm->lost) {
      if (swarm->record.hidden.sandboxes >= kMostSandboxes) {
        co_return fail(Code::failed_precondition,
                       fmt::format("its sandbox was lost, the {}th time; what was merged is kept",
                                   swarm->record.hidden.sandboxes + 1));
      }
      log::logger<"swarm">().warn("a sandbox was lost; the work goes on in another", {{"swarm", swarm->id()}});
      tending.cancel_all();
      const Result<void> out = co_await move_out(swarm);
      if (!out) co_return fail(out.error());
      co_return SwarmStep::sandbox;
    }
    const std::uint64_t news = swarm->news;  // before the look: what is told during it is looked at again
    const Result<std::optional<api::RunInfo>> run = co_await runs_->newest(swarm->id());
    if (!run) co_return fail(run.error());
    if (!*run) co_return fail(Code::internal, fmt::format("run {} is not in the store", info.run));
    switch ((*run)->state) {
      case api::RunState::done:
        co_return SwarmStep::deliver;
      case api::RunState::cancelled: {
        const Result<void> written = co_await change(swarm, [reason = (*run)->reason](Record& record) {
          record.hidden.stop_asked = true;
          record.info.reason = reason;
        });
        if (!written) co_return fail(written.error());
        co_return SwarmStep::deliver;
      }
      case api::RunState::failed:
        co_return fail(Code::failed_precondition, fmt::format("the run failed: {}", (*run)->reason));
      case api::RunState::running:
      case api::RunState::paused:
      case api::RunState::waiting:
      case api::RunState::unknown:
        break;
    }
    if (news == swarm->news) co_await swarm->changed.wait();
  }
}

async::Task<Result<git::Published>> Swarms::publish(std::shared_ptr<Swarm> swarm, bool replace) {
  const api::SwarmInfo info = swarm->record.info;
  if (!info.repos.empty()) co_return co_await publish_members(swarm, replace);
  Result<git::Published> published = co_await swarm->repository.publish(info.repo, info.branch, info.head, replace);
  if (!published) co_return fail(published.error());
  const Result<void> written =
      co_await change(swarm, [commit = published->commit](Record& record) { record.info.published = commit; });
  if (!written) co_return fail(written.error());
  co_return published;
}

/// From here on it has no sandbox; the steps that make one bring its agents up again, with what was fetched of their
/// work.
async::Task<Result<void>> Swarms::move_out(std::shared_ptr<Swarm> swarm) {
  swarm->uses.clear();
  swarm->lost = false;
  Result<void> written = co_await change(swarm, [](Record& record) {
    for (const api::SwarmPlace& place : places_of(record.info)) set_sandbox(record.info, place.name, "", "");
    record.info.step = SwarmStep::sandbox;
    ++record.hidden.sandboxes;
    record.hidden.model_ports.clear();
    for (api::SwarmAgentInfo& agent : record.info.agents) {
      if (agent.starts > 0 && agent.state != "gone") agent.state = "running";  // it has no pane there, and gets one
    }
  });
  co_return written;
}

async::Task<Result<void>> Swarms::tear_down(std::shared_ptr<Swarm> swarm) {
  swarm->uses.clear();
  const Result<void> left = co_await end_left(swarm);
  if (!left) co_return fail(left.error());
  const api::SwarmInfo info = swarm->record.info;
  const std::vector<api::SwarmPlace> places = places_of(info);
  const bool none = std::ranges::all_of(places, [](const api::SwarmPlace& place) { return place.sandbox.empty(); });
  if (none || info.keep_sandbox) co_return {};
  const Result<void> marked = co_await change(swarm, [](Record& record) {
    for (api::SwarmAgentInfo& agent : record.info.agents) {
      if (agent.state == "running" || agent.state == "resting") agent.state = "ended";
    }
  });
  if (!marked) co_return fail(marked.error());
  Result<void> ended = co_await at_all(swarm, &Swarms::end_sandbox);
  co_return ended;
}

}  // namespace swarm::swarms
