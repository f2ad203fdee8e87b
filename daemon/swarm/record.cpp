#include "daemon/swarm/record.hpp"

#include <fmt/format.h>

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
};

constexpr store::Sql kInsert{"swarms.insert",
                             "INSERT INTO swarms (id, name, over, discarded, sandbox, created_us, info, hidden) "
                             "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kUpdate{"swarms.update",
                             "UPDATE swarms SET name = ?, over = ?, discarded = ?, sandbox = ?, info = ?, hidden = ? "
                             "WHERE id = ?"};
constexpr store::Sql kTaken{"swarms.taken", "SELECT id FROM swarms WHERE name = ? AND discarded = 0"};
constexpr store::Sql kLiving{"swarms.living", "SELECT info, hidden FROM swarms WHERE over = 0 ORDER BY created_us, id"};
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
  Result<void> done = db.run(kUpdate, info.name, is_over(info.state), is_discarded(record), info.sandbox, pack(info),
                             pack(record.hidden), info.id);
  if (done && db.changes() != 1) return fail(Code::internal, fmt::format("swarm {} is not in the store", info.id));
  return done;
}

Result<std::vector<Record>> load_living(store::Database& db) { return read_records(db.all<Bytes, Bytes>(kLiving)); }

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
