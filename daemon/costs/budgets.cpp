#include "daemon/costs/budgets.hpp"

#include <fmt/format.h>

#include "protocol/api/budget.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::costs {
namespace {

constexpr std::array kLevels = {Level::warn, Level::stop, Level::pause, Level::kill};

Result<void> check(const Budget& budget) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::invalid_argument, fmt::format("budget '{}': {}", budget.name, what));
  };
  if (budget.name.empty()) return fail(Code::invalid_argument, "a budget needs a name");
  if (!budget.agent.empty() && budget.swarm.empty()) return wrong("an agent belongs to a swarm; name it too");
  if (budget.nano <= 0) return wrong("the amount must be above zero");
  std::uint32_t before = 0;
  for (const Level level : kLevels) {
    const auto percent = threshold(budget, level);
    if (!percent) continue;
    if (*percent == 0 || *percent > 1000) return wrong("a threshold is 1 to 1000 percent");
    if (*percent < before) return wrong("thresholds rise from warn over stop and pause to kill");
    before = *percent;
  }
  if (before == 0) return wrong("without any threshold it would do nothing");
  return {};
}

std::string sentence(const Budget& budget, Level level, Amount spent) {
  const std::string scope = budget.swarm.empty()   ? "everything"
                            : budget.agent.empty() ? "swarm " + budget.swarm
                                                   : fmt::format("agent {} of swarm {}", budget.agent, budget.swarm);
  const std::string head =
      fmt::format("budget '{}' of {}: ${} of ${} are spent", budget.name, scope, spent.usd(), format_usd(budget.nano));
  switch (level) {
    case Level::none:
      return head + "; what was stopped may go on";
    case Level::warn:
      return head;
    case Level::stop:
      return head + "; no new work begins";
    case Level::pause:
      return head + "; its sandboxes are paused";
    case Level::kill:
      return head + "; its sandboxes are ended";
  }
  return head;
}

store::NewEvent event_of(const Budget& budget, Level level, Amount spent) {
  const api::BudgetReached told{.name = budget.name,
                                .level = static_cast<api::BudgetLevel>(level),
                                .amount_usd = format_usd(budget.nano),
                                .spent_usd = spent.usd(),
                                .message = sentence(budget, level, spent)};
  return {.type = std::string(api::kBudgetReached.name),
          .swarm = budget.swarm.empty() ? std::nullopt : std::optional(budget.swarm),
          .agent = budget.agent.empty() ? std::nullopt : std::optional(budget.agent),
          .data = wire::encode(api::encode(told))};
}

}  // namespace

std::string_view level_name(Level level) {
  constexpr std::array<std::string_view, 5> kNames = {"none", "warn", "stop", "pause", "kill"};
  return kNames.at(static_cast<std::size_t>(level));
}

async::Task<Result<std::vector<Standing>>> Budgets::list() {
  const Moment now{loop_.clock().wall(), loop_.clock().now()};
  Result<std::vector<Standing>> all =
      co_await store_.read([&meter = meter_, now](store::Database& db) { return standings(db, meter, now); });
  co_return all;
}

async::Task<Result<void>> Budgets::recover() {
  Result<std::vector<Standing>> all = co_await list();
  if (!all) co_return fail(all.error(), "budgets");
  standing_.clear();
  for (Standing& standing : *all) {
    if (standing.reached != Level::none && enforce_) {
      enforce_({.budget = standing.budget,
                .level = standing.reached,
                .sentence = sentence(standing.budget, standing.reached, standing.spent)});
    }
    standing_[standing.budget.name] = std::move(standing);
  }
  co_return {};
}

async::Task<Result<void>> Budgets::tick() {
  const auto turn = co_await turn_.take();
  Result<void> done = co_await look();
  co_return done;
}

async::Task<Result<void>> Budgets::look() {
  Result<std::vector<Standing>> all = co_await list();
  if (!all) co_return fail(all.error(), "budgets");
  std::map<std::string, Standing> standing;
  for (Standing& each : *all) standing[each.budget.name] = each;
  standing_ = std::move(standing);
  Result<void> outcome;
  for (const Standing& each : *all) {
    const Result<void> acted = co_await act(each);
    if (!acted && outcome) outcome = fail(acted.error());
  }
  co_return outcome;
}

async::Task<Result<void>> Budgets::act(Standing standing) {
  const std::int64_t bucket = period_bucket(standing.budget.period, loop_.clock().wall().us);
  // A wall clock that goes back does not give a day twice.
  const bool renewed = bucket > standing.bucket && standing.bucket != 0;
  const Level before = renewed ? Level::none : standing.reached;
  const Level level = std::max(before, level_of(standing.budget, standing.spent));
  std::vector<Level> steps;
  if (renewed && standing.reached > Level::none && level < standing.reached) steps.push_back(Level::none);
  for (const Level step : kLevels) {
    if (step > before && step <= level && threshold(standing.budget, step)) steps.push_back(step);
  }
  if (level == standing.reached && bucket <= standing.bucket) co_return {};

  const Result<bool> written =
      co_await store_.write("costs.budget", store::Durability::power,
                            [standing, steps, level, bucket](store::Changes& changes) -> Result<bool> {
                              const Result<bool> current =
                                  save_reached(changes.db(), standing.budget, std::max(bucket, standing.bucket), level);
                              if (!current || !*current) return current;
                              for (const Level step : steps) {
                                const auto seq = changes.append(event_of(standing.budget, step, standing.spent));
                                if (!seq) return fail(seq.error());
                              }
                              return true;
                            });
  if (!written) co_return fail(written.error(), "budget " + standing.budget.name);
  if (!*written) co_return {};  // set anew meanwhile; the next look is at that one
  Standing& kept = standing_[standing.budget.name];
  kept = standing;
  kept.reached = level;
  kept.bucket = std::max(bucket, standing.bucket);
  for (const Level step : steps) {
    ++counters_.at(static_cast<std::size_t>(step));
    if (enforce_) {
      enforce_({.budget = standing.budget, .level = step, .sentence = sentence(standing.budget, step, standing.spent)});
    }
  }
  co_return {};
}

async::Task<Result<Standing>> Budgets::set(Budget budget) {
  if (Result<void> good = check(budget); !good) co_return fail(good.error());
  const auto turn = co_await turn_.take();
  const auto old = standing_.find(budget.name);
  const Level lifted = old == standing_.end() ? Level::none : old->second.reached;
  // Tells two settings of the same moment apart.
  budget.since_us = loop_.clock().wall().us;
  if (old != standing_.end()) budget.since_us = std::max(budget.since_us, old->second.budget.since_us + 1);
  const Result<void> kept =
      co_await store_.write("costs.set_budget", store::Durability::power,
                            [budget](store::Changes& changes) { return save_budget(changes.db(), budget); });
  if (!kept) co_return fail(kept.error());
  if (lifted > Level::warn && enforce_) {
    enforce_({.budget = budget, .level = Level::none, .sentence = "the budget was set anew"});
  }
  const Result<void> looked = co_await look();
  if (!looked) co_return fail(looked.error());
  co_return standing_.at(budget.name);
}

async::Task<Result<void>> Budgets::remove(std::string name) {
  const auto turn = co_await turn_.take();
  const Result<bool> removed =
      co_await store_.write("costs.remove_budget", store::Durability::power,
                            [name](store::Changes& changes) { return remove_budget(changes.db(), name); });
  if (!removed) co_return fail(removed.error());
  if (!*removed) {
    co_return fail(Code::not_found, fmt::format("there is no budget '{}'; 'swarmctl budget ls' lists them", name));
  }
  const auto old = standing_.find(name);
  if (old != standing_.end()) {
    const Standing gone = old->second;
    standing_.erase(old);
    if (gone.reached > Level::warn && enforce_) {
      enforce_({.budget = gone.budget, .level = Level::none, .sentence = "the budget was removed"});
    }
  }
  co_return {};
}

Result<void> Budgets::admit(const std::string& swarm, const std::string& agent, Level from) const {
  for (const auto& [name, standing] : standing_) {
    const Budget& budget = standing.budget;
    if (standing.reached < from) continue;
    if (!budget.swarm.empty() && budget.swarm != swarm) continue;
    if (!budget.agent.empty() && budget.agent != agent) continue;
    return fail(Code::resource_exhausted, sentence(budget, standing.reached, standing.spent) +
                                              fmt::format("; raise it with 'swarmctl budget set {}'", name));
  }
  return {};
}

}  // namespace swarm::costs
