#include "daemon/ship/record.hpp"

#include "protocol/api/describe.hpp"
#include "protocol/wire/stored.hpp"

namespace swarm::ship {
namespace {

constexpr std::array kMigrations = {
    store::Migration{1, "shipments", R"sql(
      CREATE TABLE shipments (
        id         TEXT PRIMARY KEY,
        swarm      TEXT NOT NULL,
        over       INTEGER NOT NULL,
        created_us INTEGER NOT NULL,
        info       BLOB NOT NULL,
        hidden     BLOB NOT NULL
      ) STRICT;
      CREATE INDEX shipments_open ON shipments (created_us, id) WHERE over = 0;
      CREATE INDEX shipments_swarm ON shipments (swarm, created_us DESC, id DESC);
      CREATE INDEX shipments_age ON shipments (created_us DESC, id DESC);
    )sql"},
};

constexpr store::Sql kInsert{"shipments.insert",
                             "INSERT INTO shipments (id, swarm, over, created_us, info, hidden) "
                             "VALUES (?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kUpdate{"shipments.update", "UPDATE shipments SET over = ?, info = ?, hidden = ? WHERE id = ?"};
constexpr store::Sql kOpen{"shipments.open",
                           "SELECT info, hidden FROM shipments WHERE over = 0 ORDER BY created_us, id"};
constexpr store::Sql kOf{"shipments.of",
                         "SELECT info, hidden FROM shipments WHERE (?1 = '' OR swarm = ?1) AND (over = 0 OR NOT ?2) "
                         "ORDER BY created_us DESC, id DESC LIMIT ?3"};
constexpr store::Sql kFind{"shipments.find",
                           "SELECT info, hidden FROM shipments WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2"};

using wire::pack;

constexpr std::string_view kWhat = "stored shipment";

}  // namespace

const store::Domain kShipDomain{"ship", kMigrations};

bool is_over(api::ShipmentState state) {
  switch (state) {
    case api::ShipmentState::approval:
    case api::ShipmentState::pushing:
    case api::ShipmentState::opening:
    case api::ShipmentState::unknown:
      return false;
    case api::ShipmentState::done:
    case api::ShipmentState::rejected:
    case api::ShipmentState::failed:
      return true;
  }
  return false;
}

Result<void> insert(store::Database& db, const Record& record) {
  const api::ShipmentInfo& info = record.info;
  return db.run(kInsert, info.id, info.swarm, is_over(info.state), info.created_us, pack(info), pack(record.hidden));
}

Result<void> update(store::Database& db, const Record& record) {
  return db.run(kUpdate, is_over(record.info.state), pack(record.info), pack(record.hidden), record.info.id);
}

Result<std::vector<Record>> load_open(store::Database& db) {
  return wire::unpack_records<Record>(db.all<Bytes, Bytes>(kOpen), kWhat);
}

Result<std::vector<Record>> load_of(store::Database& db, const std::string& swarm, bool open, int limit) {
  return wire::unpack_records<Record>(db.all<Bytes, Bytes>(kOf, swarm, open, limit), kWhat);
}

Result<std::vector<Record>> find(store::Database& db, const std::string& prefix) {
  // '~' sorts behind every character of an id.
  return wire::unpack_records<Record>(db.all<Bytes, Bytes>(kFind, prefix, prefix + "~"), kWhat);
}

}  // namespace swarm::ship
