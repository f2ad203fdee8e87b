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

}  // namespace swarm::swarms
