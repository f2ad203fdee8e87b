#pragma once
// What people see of costs, budgets, limits and secrets.

#include <vector>

#include "client/context.hpp"
#include "client/output/table.hpp"
#include "protocol/api/budget.hpp"
#include "protocol/api/costs.hpp"
#include "protocol/api/limits.hpp"
#include "protocol/api/secret.hpp"

namespace swarm::client {

/// `by` as the option spells it: the title of the first column.
Table summary_table(const api::CostSummaryReply& reply, api::CostGroup by, const std::string& title);
/// What the numbers leave out: what still runs, what is estimated.
std::vector<std::string> summary_notes(const api::CostSummaryReply& reply);
Table ledger_table(const api::CostLedgerReply& reply);
Table prices_table(const api::CostPricesReply& reply);
Table budgets_table(const std::vector<api::BudgetInfo>& budgets, WallTime now);
Table limits_table(const std::vector<api::LimitInfo>& limits);
Table secrets_table(const std::vector<api::SecretInfo>& secrets);

/// A point in time: "2h" ago, "today", "month" (its first day), a date, or a date and time, UTC. Nothing for an empty
/// text.
Result<std::optional<std::int64_t>> read_moment(std::string_view option, const std::string& text, WallTime now);

}  // namespace swarm::client
