#include "protocol/api/budget.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<BudgetPeriod>();
template const TypeInfo& type_of<BudgetLevel>();
template const TypeInfo& type_of<BudgetSetRequest>();
template const TypeInfo& type_of<BudgetInfo>();
template const TypeInfo& type_of<BudgetListReply>();
template const TypeInfo& type_of<BudgetRemoveRequest>();
template const TypeInfo& type_of<BudgetReached>();

std::span<const MethodInfo* const> budget_methods() {
  static constexpr std::array<const MethodInfo*, 3> kAll = {&kBudgetSet, &kBudgetList, &kBudgetRemove};
  return kAll;
}

std::span<const EventInfo* const> budget_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kBudgetReached};
  return kAll;
}

}  // namespace swarm::api
