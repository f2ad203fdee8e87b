#pragma once
// What people see of pools and places; `pool status` and `top` share it.

#include "client/output/table.hpp"
#include "protocol/api/pool.hpp"

namespace swarm::client {

Table pool_table(const std::vector<api::PoolInfo>& pools);
Table capacity_table(const std::vector<api::CapacityUse>& places);
std::string claims_text(const api::ClaimCounters& claims);

std::string breaker_text(const api::PoolInfo& pool);
Style breaker_style(api::BreakerState state);
Style ready_style(const api::PoolInfo& pool);

}  // namespace swarm::client
