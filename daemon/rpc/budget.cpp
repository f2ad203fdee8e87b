#include "protocol/api/budget.hpp"

#include "daemon/rpc/money.hpp"

namespace swarm::rpc {
namespace {

std::optional<std::string> known(const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); }

api::BudgetInfo to_api(const costs::Standing& from, std::int64_t now_us) {
  const costs::Budget& budget = from.budget;
  return {.name = budget.name,
          .swarm = known(budget.swarm),
          .agent = known(budget.agent),
          .period = static_cast<api::BudgetPeriod>(budget.period),
          .amount_usd = costs::format_usd(budget.nano),
          .spent_usd = from.spent.usd(),
          .spent_percent = static_cast<double>(from.spent.nano()) * 100 / static_cast<double>(budget.nano),
          .hourly_usd = from.an_hour.usd(),
          .ends_us = from.ends_us,
          .forecast = costs::forecast(from, now_us),
          .reached = static_cast<api::BudgetLevel>(from.reached),
          .warn_percent = budget.warn,
          .stop_percent = budget.stop,
          .pause_percent = budget.pause,
          .kill_percent = budget.kill};
}

std::optional<std::uint32_t> percent(std::optional<std::uint32_t> from) { return from == 0U ? std::nullopt : from; }

async::Task<Result<api::BudgetInfo>> set(costs::Costs& costs, api::BudgetSetRequest request) {
  const Result<std::int64_t> nano = costs::parse_usd(request.amount_usd);
  if (!nano) co_return fail(nano.error(), "'amount_usd'");
  const Result<costs::Standing> standing =
      co_await costs.budgets().set({.name = request.name,
                                    .swarm = request.swarm.value_or(""),
                                    .agent = request.agent.value_or(""),
                                    .period = static_cast<costs::Period>(request.period),
                                    .nano = *nano,
                                    .warn = percent(request.warn_percent),
                                    .stop = percent(request.stop_percent),
                                    .pause = percent(request.pause_percent),
                                    .kill = percent(request.kill_percent)});
  if (!standing) co_return fail(standing.error());
  co_return to_api(*standing, costs.moment().wall.us);
}

async::Task<Result<api::BudgetListReply>> list(costs::Costs& costs) {
  const Result<std::vector<costs::Standing>> all = co_await costs.budgets().list();
  if (!all) co_return fail(all.error());
  api::BudgetListReply reply;
  for (const costs::Standing& standing : *all) reply.budgets.push_back(to_api(standing, costs.moment().wall.us));
  co_return reply;
}

async::Task<Result<api::Empty>> remove(costs::Costs& costs, api::BudgetRemoveRequest request) {
  const Result<void> removed = co_await costs.budgets().remove(request.name);
  if (!removed) co_return fail(removed.error());
  co_return api::Empty{};
}

}  // namespace

void add_budget_methods(wire::Router& router, costs::Costs& costs) {
  router.bind(api::kBudgetSet,
              [&costs](wire::CallContext&, api::BudgetSetRequest request) { return set(costs, std::move(request)); });
  router.bind(api::kBudgetList, [&costs](wire::CallContext&, api::Empty) { return list(costs); });
  router.bind(api::kBudgetRemove, [&costs](wire::CallContext&, api::BudgetRemoveRequest request) {
    return remove(costs, std::move(request));
  });
}

}  // namespace swarm::rpc
