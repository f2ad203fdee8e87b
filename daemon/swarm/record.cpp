#include "daemon/swarm/record.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/api/describe.hpp"
#include "protocol/wire/stored.hpp"

namespace swarm::swarms {
namespace {

constexpr std::array kMigrations = {
    store::Migration{1, "swarms", R"sql(
      CREATE TABLE swarms (
        id         TEXT PRIMARY KEY,
        name       TEXT NOT NULL,
        over       INTEGER NOT NULL,
        discarded  INTEGER NOT NULL,
        sandbox    TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        info       BLOB NOT NULL,
        hidden     BLOB NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX swarms_name ON swarms (name) WHERE discarded = 0;
      CREATE INDEX swarms_living ON swarms (created_us, id) WHERE over = 0;
      CREATE INDEX swarms_age ON swarms (created_us DESC, id DESC);
    )sql"},
    store::Migration{2, "publications that were begun", R"sql(
      ALTER TABLE swarms ADD COLUMN publishing INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX swarms_publishing ON swarms (created_us, id) WHERE publishing = 1;
    )sql"},
};

constexpr store::Sql kInsert{"swarms.insert",
                             "INSERT INTO swarms (id, name, over, discarded, sandbox, created_us, info, hidden) "
                             "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kUpdate{"swarms.update",
                             "UPDATE swarms SET name = ?, over = ?, discarded = ?, publishing = ?, sandbox = ?, "
                             "info = ?, hidden = ? WHERE id = ?"};
constexpr store::Sql kTaken{"swarms.taken", "SELECT id FROM swarms WHERE name = ? AND discarded = 0"};
constexpr store::Sql kLiving{"swarms.living", "SELECT info, hidden FROM swarms WHERE over = 0 ORDER BY created_us, id"};
constexpr store::Sql kPublishing{"swarms.publishing",
                                 "SELECT info, hidden FROM swarms WHERE publishing = 1 ORDER BY created_us, id"};
constexpr store::Sql kOne{"swarms.one", "SELECT info, hidden FROM swarms WHERE id = ?"};
constexpr store::Sql kPage{"swarms.page",
                           "SELECT info, hidden FROM swarms WHERE (? OR over = 0) AND (created_us, id) < (?, ?) "
                           "ORDER BY created_us DESC, id DESC LIMIT ?"};
constexpr store::Sql kFind{"swarms.find",
                           "SELECT id FROM swarms WHERE name = ?1 OR (id >= ?1 AND id < ?2) "
                           "ORDER BY discarded, created_us DESC, id LIMIT ?3"};

using wire::pack;

Result<Record> read_record(const std::tuple<Bytes, Bytes>& row) {
  return wire::unpack_record<Record>(row, "stored swarm");
}

Result<std::vector<Record>> read_records(const Result<std::vector<std::tuple<Bytes, Bytes>>>& rows) {
  return wire::unpack_records<Record>(rows, "stored swarm");
}

bool is_discarded(const Record& record) { return record.info.state == api::SwarmState::discarded; }

}  // namespace

const store::Domain kSwarmDomain{"swarm", kMigrations};

Result<void> plan_places(api::SwarmInfo& info, api::SwarmTopology topology) {
  info.topology = topology;
  switch (topology) {
    case api::SwarmTopology::shared:
      return {};
    case api::SwarmTopology::per_agent:
    case api::SwarmTopology::per_role:
    case api::SwarmTopology::per_exec:
      break;
    case api::SwarmTopology::unknown:
      return fail(Code::invalid_argument, "topology: shared, per_agent, per_role or per_exec");
  }
  info.places.push_back({.name = kIntegrationPlace, .sandbox = {}, .provider = {}, .agents = {}});
  for (const api::SwarmAgentInfo& agent : info.agents) {
    const std::string role = agent.role.empty() ? "agents" : "role-" + agent.role;
    const std::string name = topology == api::SwarmTopology::per_role ? role : agent.id;
    auto place = std::ranges::find(info.places, name, &api::SwarmPlace::name);
    if (place == info.places.end()) {
      info.places.push_back({.name = name, .sandbox = {}, .provider = {}, .agents = {}});
      place = info.places.end() - 1;
    }
    place->agents.push_back(agent.id);
  }
  return {};
}

bool spans(const api::SwarmInfo& info) { return !info.places.empty(); }

std::vector<api::SwarmPlace> places_of(const api::SwarmInfo& info) {
  if (spans(info)) return info.places;
  api::SwarmPlace only{.name = {}, .sandbox = info.sandbox, .provider = info.provider, .agents = {}};
  for (const api::SwarmAgentInfo& agent : info.agents) only.agents.push_back(agent.id);
  return {std::move(only)};
}

std::optional<api::SwarmPlace> place_named(const api::SwarmInfo& info, const std::string& name) {
  for (api::SwarmPlace& place : places_of(info)) {
    if (place.name == name) return std::move(place);
  }
  return std::nullopt;
}

std::string place_of(const api::SwarmInfo& info, const std::string& agent) {
  for (const api::SwarmPlace& place : info.places) {
    if (std::ranges::find(place.agents, agent) != place.agents.end()) return place.name;
  }
  return spans(info) ? kIntegrationPlace : "";
}

std::string sandbox_of(const api::SwarmInfo& info, const std::string& agent) {
  const auto place = place_named(info, place_of(info, agent));
  return place ? place->sandbox : "";
}

void set_sandbox(api::SwarmInfo& info, const std::string& place, const std::string& sandbox,
                 const std::string& provider) {
  for (api::SwarmPlace& one : info.places) {
    if (one.name != place) continue;
    one.sandbox = sandbox;
    one.provider = provider;
  }
  if (place.empty() || place == kIntegrationPlace) {
    info.sandbox = sandbox;
    info.provider = provider;
  }
  for (api::SwarmAgentInfo& agent : info.agents) {
    if (place_of(info, agent.id) == place) agent.sandbox = sandbox;
  }
}

bool is_over(api::SwarmState state) {
  switch (state) {
    case api::SwarmState::done:
    case api::SwarmState::failed:
    case api::SwarmState::ended:
    case api::SwarmState::discarded:
      return true;
    case api::SwarmState::preparing:
    case api::SwarmState::working:
    case api::SwarmState::paused:
    case api::SwarmState::delivering:
    case api::SwarmState::unknown:
      return false;
  }
  return false;
}

Result<void> insert(store::Database& db, const Record& record) {
  const api::SwarmInfo& info = record.info;
  const auto taken = db.one<std::string>(kTaken, info.name);
  if (!taken) return fail(taken.error());
  if (*taken) {
    return fail(Code::already_exists,
                fmt::format("the name '{}' is taken by {}; choose another with --name, or 'swarmctl swarm discard {}' "
                            "throws that one's work away",
                            info.name, std::get<0>(**taken), info.name));
  }
  return db.run(kInsert, info.id, info.name, is_over(info.state), is_discarded(record), info.sandbox, info.created_us,
                pack(info), pack(record.hidden));
}

Result<void> update(store::Database& db, const Record& record) {
  const api::SwarmInfo& info = record.info;
  Result<void> done =
      db.run(kUpdate, info.name, is_over(info.state), is_discarded(record), record.hidden.publishing.has_value(),
             info.sandbox, pack(info), pack(record.hidden), info.id);
  if (done && db.changes() != 1) return fail(Code::internal, fmt::format("swarm {} is not in the store", info.id));
  return done;
}

Result<std::vector<Record>> load_living(store::Database& db) { return read_records(db.all<Bytes, Bytes>(kLiving)); }

Result<std::vector<Record>> load_publishing(store::Database& db) {
  return read_records(db.all<Bytes, Bytes>(kPublishing));
}

Result<std::optional<Record>> load(store::Database& db, const std::string& id) {
  const auto row = db.one<Bytes, Bytes>(kOne, id);
  if (!row) return fail(row.error());
  if (!*row) return std::optional<Record>();
  Result<Record> record = read_record(**row);
  if (!record) return fail(record.error());
  return std::optional<Record>(std::move(*record));
}

Result<std::vector<Record>> load_page(store::Database& db, bool all, std::int64_t created_before_us,
                                      const std::string& id_before, int limit) {
  return read_records(db.all<Bytes, Bytes>(kPage, all, created_before_us, id_before, limit));
}

Result<std::vector<std::string>> find_ids(store::Database& db, const std::string& what, int limit) {
  // '~' sorts behind every character of an id.
  const auto rows = db.all<std::string>(kFind, what, what + "~", limit);
  if (!rows) return fail(rows.error());
  std::vector<std::string> ids;
  for (const auto& [id] : *rows) ids.push_back(id);
  return ids;
}

}  // namespace swarm::swarms
