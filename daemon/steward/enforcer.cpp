#include "daemon/steward/enforcer.hpp"

#include "daemon/log/log.hpp"

namespace swarm::steward {
namespace {

using costs::Level;

}  // namespace

void Enforcer::attach(sandbox::Sandboxes* sandboxes) {
  if (sandboxes == nullptr) tasks_.cancel_all();
  sandboxes_ = sandboxes;
  if (sandboxes_ == nullptr) return;
  for (const auto& [name, action] : in_force_) tasks_.spawn(carry_out(action));
}

void Enforcer::act(const costs::Action& action) {
  const std::string& name = action.budget.name;
  if (action.level == Level::none) {
    in_force_.erase(name);
    log::logger<"budget">().info(action.sentence, {{"budget", name}});
  } else {
    in_force_.insert_or_assign(name, action);
    log::logger<"budget">().warn(action.sentence, {{"budget", name}, {"level", costs::level_name(action.level)}});
  }
  if (sandboxes_ != nullptr) tasks_.spawn(carry_out(action));
}

async::Task<Result<std::vector<std::string>>> Enforcer::within(costs::Budget budget) {
  std::vector<std::string> ids;
  if (!budget.agent.empty()) {
    Result<std::vector<std::string>> alone = co_await store_.read(
        [budget](store::Database& db) { return costs::sandboxes_alone(db, budget.swarm, budget.agent); });
    co_return alone;
  }
  for (const sandbox::Record* record : sandboxes_->living()) {
    if (budget.swarm.empty() || record->info.swarm == budget.swarm) ids.push_back(record->info.id);
  }
  co_return ids;
}

async::Task<> Enforcer::carry_out(costs::Action action) {
  if (action.level == Level::none) {
    // Held by this budget or by another that has gone meanwhile; whether others forbid it is asked for each.
    for (const sandbox::Record* record : sandboxes_->living()) {
      if (!record->hidden.held_by.empty()) tasks_.spawn(let_go(record->info.id));
    }
    co_return;
  }
  if (action.level < Level::pause) co_return;
  const Result<std::vector<std::string>> ids = co_await within(action.budget);
  if (!ids) {
    log::logger<"budget">().error("a budget could not be enforced",
                                  {{"budget", action.budget.name}, {"error", ids.error()}});
    co_return;
  }
  for (const std::string& id : *ids) {
    if (action.level == Level::kill) {
      tasks_.spawn(end(id, action.sentence));
    } else {
      tasks_.spawn(hold(id, action.budget.name, action.sentence));
    }
  }
}

async::Task<> Enforcer::hold(std::string id, std::string budget, std::string reason) {
  const Result<void> held = co_await sandboxes_->hold(id, std::move(budget), std::move(reason));
  if (!held) log::logger<"budget">().warn("a sandbox could not be paused", {{"sandbox", id}, {"error", held.error()}});
}

async::Task<> Enforcer::end(std::string id, std::string reason) {
  const auto ended = co_await sandboxes_->kill(id, {.reason = std::move(reason), .wait = false});
  if (!ended) log::logger<"budget">().warn("a sandbox could not be ended", {{"sandbox", id}, {"error", ended.error()}});
}

async::Task<> Enforcer::let_go(std::string id) {
  const Result<void> gone_on = co_await sandboxes_->let_go(id);
  if (!gone_on) log::logger<"budget">().info("a sandbox stays paused", {{"sandbox", id}, {"error", gone_on.error()}});
}

}  // namespace swarm::steward
