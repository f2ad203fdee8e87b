#include "daemon/e2b/box.hpp"

#include <array>

#include "protocol/api/codec.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::e2b_endpoint {
namespace {

using store::Sql;

constexpr std::array kMigrations = {
    store::Migration{1, "e2b sandboxes",
                     "CREATE TABLE e2b_sandboxes (id TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID;"},
};

constexpr Sql kAll{"e2b.all", "SELECT record FROM e2b_sandboxes ORDER BY id LIMIT 100000"};
constexpr Sql kPut{"e2b.put", "INSERT OR REPLACE INTO e2b_sandboxes (id, record) VALUES (?, ?)"};
constexpr Sql kDrop{"e2b.drop", "DELETE FROM e2b_sandboxes WHERE id = ?"};

}  // namespace

const store::Domain kBoxDomain{"e2b", kMigrations};

Result<void> put(store::Database& db, const BoxRecord& record) {
  return db.run(kPut, record.id, Bytes{wire::encode(api::encode(record))});
}

Result<void> drop(store::Database& db, const std::string& id) { return db.run(kDrop, id); }

Result<std::vector<BoxRecord>> load_boxes(store::Database& db) {
  auto rows = db.all<Bytes>(kAll);
  if (!rows) return fail(rows.error());
  std::vector<BoxRecord> out;
  for (const auto& [blob] : *rows) {
    Result<Value> value = wire::decode(std::as_bytes(std::span(blob.data)), wire::Limits{});
    if (!value) return fail(value.error(), "e2b sandbox");
    Result<BoxRecord> record = api::decode_reply<BoxRecord>(std::move(*value));
    if (!record) return fail(record.error(), "e2b sandbox");
    out.push_back(std::move(*record));
  }
  return out;
}

}  // namespace swarm::e2b_endpoint
