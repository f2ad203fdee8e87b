#include "daemon/sandbox/pool_settings.hpp"

#include <array>

namespace swarm::sandbox {
namespace {

constexpr std::array kPoolMigrations = {
    store::Migration{1, "pool_settings", R"sql(
      CREATE TABLE pool_settings (
        name        TEXT PRIMARY KEY,
        template    TEXT NOT NULL,
        provider    TEXT NOT NULL,  -- empty: as the template says
        min_ready   INTEGER NOT NULL,
        max_ready   INTEGER NOT NULL,
        max_idle_ms INTEGER NOT NULL,
        max_age_ms  INTEGER NOT NULL,
        health_ms   INTEGER NOT NULL,
        draining    INTEGER NOT NULL
      ) STRICT;
    )sql"},
};

constexpr store::Sql kAll{"pool_settings.all",
                          "SELECT name, template, provider, min_ready, max_ready, max_idle_ms, max_age_ms, health_ms, "
                          "draining FROM pool_settings"};
constexpr store::Sql kSave{"pool_settings.save",
                           "INSERT OR REPLACE INTO pool_settings (name, template, provider, min_ready, max_ready, "
                           "max_idle_ms, max_age_ms, health_ms, draining) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kForget{"pool_settings.forget", "DELETE FROM pool_settings WHERE name = ?"};

std::int64_t ms_of(Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); }

}  // namespace

const store::Domain kPoolDomain{"pool", kPoolMigrations};

Result<std::map<std::string, PoolSetting>> load_pool_settings(store::Database& db) {
  const auto rows = db.all<std::string, std::string, std::string, std::int64_t, std::int64_t, std::int64_t,
                           std::int64_t, std::int64_t, bool>(kAll);
  if (!rows) return fail(rows.error());
  std::map<std::string, PoolSetting> settings;
  for (const auto& [name, from, provider, least, most, idle, age, health, draining] : *rows) {
    PoolSetting& setting = settings[name];
    setting.draining = draining;
    setting.pool.template_name = from;
    if (!provider.empty()) setting.pool.provider = {provider};
    setting.pool.min_ready = static_cast<std::uint32_t>(least);
    setting.pool.max_ready = static_cast<std::uint32_t>(most);
    setting.pool.max_idle = std::chrono::milliseconds(idle);
    setting.pool.max_age = std::chrono::milliseconds(age);
    setting.pool.health_interval = std::chrono::milliseconds(health);
  }
  return settings;
}

Result<void> save_pool_setting(store::Database& db, const std::string& name, const PoolSetting& setting) {
  const config::Pool& pool = setting.pool;
  return db.run(kSave, name, pool.template_name, pool.provider.empty() ? std::string() : pool.provider.front(),
                std::int64_t{pool.min_ready}, std::int64_t{pool.max_ready}, ms_of(pool.max_idle), ms_of(pool.max_age),
                ms_of(pool.health_interval), setting.draining);
}

Result<void> forget_pool_setting(store::Database& db, const std::string& name) { return db.run(kForget, name); }

}  // namespace swarm::sandbox
