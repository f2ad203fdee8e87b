#pragma once
// What was set for pools while the daemon ran: it holds instead of the configuration, also after a restart.

#include <map>
#include <string>

#include "daemon/config/config.hpp"
#include "protocol/store/migration.hpp"
#include "protocol/store/store.hpp"

namespace swarm::sandbox {

/// A pool as it was set.
struct PoolSetting {
  config::Pool pool;
  bool draining = false;
};

/// The table of it.
extern const store::Domain kPoolDomain;

Result<std::map<std::string, PoolSetting>> load_pool_settings(store::Database& db);
Result<void> save_pool_setting(store::Database& db, const std::string& name, const PoolSetting& setting);
/// One that was never saved is fine.
Result<void> forget_pool_setting(store::Database& db, const std::string& name);

}  // namespace swarm::sandbox
