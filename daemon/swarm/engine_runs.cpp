#include "daemon/swarm/engine_runs.hpp"

#include "daemon/workflow/service.hpp"

namespace swarm::swarms {
namespace {

using workflow::Actor;
using workflow::Turn;

Actor daemon_of(const std::string& swarm) { return {.kind = Actor::Kind::person, .swarm = swarm, .name = "swarmd"}; }

async::Task<Result<void>> done(async::Task<Result<api::RunInfo>> change) {
  const Result<api::RunInfo> info = co_await std::move(change);
  if (!info) co_return fail(info.error());
  co_return {};
}

}  // namespace

async::Task<Result<api::RunInfo>> EngineRuns::start(std::string swarm, api::RunStartRequest request) {
  // One transaction: a second call finds the run of the first, whatever happened in between.
  return engine_.change<api::RunInfo>(
      "run.start", store::Durability::power, [swarm, request](Turn& turn) -> Result<api::RunInfo> {
        const Result<api::RunListReply> running = workflow::service::run_list(turn, daemon_of(swarm), {.limit = 1});
        if (!running) return fail(running.error());
        if (!running->runs.empty()) return running->runs.front();
        return workflow::service::run_start(turn, daemon_of(swarm), request);
      });
}

async::Task<Result<std::optional<api::RunInfo>>> EngineRuns::newest(std::string swarm) {
  const Result<api::RunListReply> runs = engine_.look(
      [&swarm](Turn& turn) { return workflow::service::run_list(turn, daemon_of(swarm), {.all = true, .limit = 1}); });
  if (!runs) co_return fail(runs.error());
  if (runs->runs.empty()) co_return std::optional<api::RunInfo>();
  co_return std::optional(runs->runs.front());
}

async::Task<Result<void>> EngineRuns::pause(std::string run, std::string reason) {
  return done(engine_.change<api::RunInfo>("run.pause", store::Durability::power, [run, reason](Turn& turn) {
    return workflow::service::run_pause(turn, daemon_of(""), {.run = run, .reason = reason});
  }));
}

async::Task<Result<void>> EngineRuns::resume(std::string run) {
  return done(engine_.change<api::RunInfo>("run.resume", store::Durability::power, [run](Turn& turn) {
    return workflow::service::run_resume(turn, daemon_of(""), {.run = run});
  }));
}

async::Task<Result<void>> EngineRuns::cancel(std::string run, std::string reason) {
  return done(engine_.change<api::RunInfo>("run.cancel", store::Durability::power, [run, reason](Turn& turn) {
    return workflow::service::run_cancel(turn, daemon_of(""), {.run = run, .reason = reason});
  }));
}

async::Task<Result<void>> EngineRuns::retry(std::string run) {
  return done(engine_.change<api::RunInfo>("run.retry", store::Durability::power, [run](Turn& turn) {
    return workflow::service::run_retry(turn, daemon_of(""), {.run = run});
  }));
}

async::Task<Result<void>> EngineRuns::agent_gone(std::string swarm, std::string agent, std::string why) {
  return engine_.agent_gone(std::move(swarm), std::move(agent), std::move(why));
}

async::Task<Result<void>> EngineRuns::agent_here(std::string swarm, api::RunAgent agent) {
  return engine_.agent_here(std::move(swarm), std::move(agent));
}

async::Task<Result<void>> EngineRuns::offline(std::string swarm) { return engine_.offline(std::move(swarm)); }

async::Task<Result<void>> EngineRuns::online(std::string swarm) { return engine_.online(std::move(swarm)); }

async::Task<Result<std::string>> EngineRuns::next_turn(std::string swarm, std::string agent) {
  for (;;) {
    const std::uint64_t seen = engine_.generation();
    const Result<api::TaskNextReply> next = engine_.look([&](Turn& turn) -> Result<api::TaskNextReply> {
      Result<workflow::Case> c = workflow::current_run(turn, swarm, std::nullopt);
      if (!c) return fail(c.error());
      return workflow::waits_for(turn, *c, agent, {});
    });
    if (!next) co_return fail(next.error());
    switch (next->next) {
      case api::Turn::ended:
        co_return std::string();
      case api::Turn::review:
        co_return "review " + next->review->id;
      case api::Turn::vote:
        co_return "vote " + next->proposal.value_or("");
      case api::Turn::task:
        co_return "task " + next->task->id + " " + std::to_string(next->task->attempt);
      default:
        break;
    }
    co_await engine_.changed_since(swarm, seen, engine_.loop().clock().now() + std::chrono::minutes(10));
  }
}

}  // namespace swarm::swarms
