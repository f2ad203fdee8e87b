#include "protocol/api/costs.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<CostGroup>();
template const TypeInfo& type_of<CostFilter>();
template const TypeInfo& type_of<CostSummaryRequest>();
template const TypeInfo& type_of<CostLine>();
template const TypeInfo& type_of<CostUnpriced>();
template const TypeInfo& type_of<CostSummaryReply>();
template const TypeInfo& type_of<CostFormat>();
template const TypeInfo& type_of<CostExportRequest>();
template const TypeInfo& type_of<CostExportReply>();
template const TypeInfo& type_of<PriceInfo>();
template const TypeInfo& type_of<CostPricesReply>();
template const TypeInfo& type_of<CostEstimateRequest>();
template const TypeInfo& type_of<CostEstimateReply>();

std::span<const MethodInfo* const> cost_methods() {
  static constexpr std::array<const MethodInfo*, 5> kAll = {&kCostSummary, &kCostLedger, &kCostExport, &kCostPrices,
                                                            &kCostEstimate};
  return kAll;
}

std::span<const EventInfo* const> cost_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kCostUnpriced};
  return kAll;
}

}  // namespace swarm::api
