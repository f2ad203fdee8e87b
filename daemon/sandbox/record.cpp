#include "daemon/sandbox/record.hpp"

#include <fmt/format.h>

#include "daemon/sandbox/state.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/wire/stored.hpp"

namespace swarm::sandbox {
namespace {

constexpr std::array kSandboxMigrations = {
    store::Migration{1, "sandboxes", R"sql(
      CREATE TABLE sandboxes (
        id         TEXT PRIMARY KEY,
        name       TEXT,
        state      TEXT NOT NULL,
        final      INTEGER NOT NULL,
        provider   TEXT NOT NULL,
        template   TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        info       BLOB NOT NULL,
        hidden     BLOB NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX sandboxes_living_name ON sandboxes (name) WHERE name IS NOT NULL AND final = 0;
      CREATE INDEX sandboxes_living ON sandboxes (created_us, id) WHERE final = 0;
      CREATE INDEX sandboxes_ended ON sandboxes (created_us DESC, id DESC) WHERE final = 1;
    )sql"},
};

constexpr store::Sql kInsert{"sandboxes.insert",
                             "INSERT INTO sandboxes (id, name, state, final, provider, template, created_us, info, "
                             "hidden) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kUpdate{"sandboxes.update",
                             "UPDATE sandboxes SET name = ?, state = ?, final = ?, provider = ?, template = ?, info = "
                             "?, hidden = ? WHERE id = ?"};
constexpr store::Sql kNameTaken{"sandboxes.name_taken", "SELECT id FROM sandboxes WHERE name = ? AND final = 0"};
constexpr store::Sql kLiving{"sandboxes.living",
                             "SELECT info, hidden FROM sandboxes WHERE final = 0 ORDER BY created_us, id"};
constexpr store::Sql kOne{"sandboxes.one", "SELECT info, hidden FROM sandboxes WHERE id = ?"};
constexpr store::Sql kEnded{"sandboxes.ended",
                            "SELECT info, hidden FROM sandboxes WHERE final = 1 AND (created_us, id) < (?, ?) "
                            "ORDER BY created_us DESC, id DESC LIMIT ?"};
constexpr store::Sql kPrefix{"sandboxes.prefix",
                             "SELECT id FROM sandboxes WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"};

using wire::pack;

Result<Record> read_record(const std::tuple<Bytes, Bytes>& row) {
  return wire::unpack_record<Record>(row, "stored sandbox");
}

Result<std::vector<Record>> read_records(const Result<std::vector<std::tuple<Bytes, Bytes>>>& rows) {
  return wire::unpack_records<Record>(rows, "stored sandbox");
}

}  // namespace

const store::Domain kSandboxDomain{"sandbox", kSandboxMigrations};

Result<void> check_name(store::Database& db, const std::string& name) {
  const auto taken = db.one<std::string>(kNameTaken, name);
  if (!taken) return fail(taken.error());
  if (!*taken) return {};
  return fail(Code::already_exists, fmt::format("the name '{}' is taken by sandbox {}; choose another or end that one",
                                                name, std::get<0>(**taken)));
}

Result<void> insert(store::Database& db, const Record& record) {
  const api::SandboxInfo& info = record.info;
  if (info.name) {
    if (Result<void> free = check_name(db, *info.name); !free) return free;
  }
  return db.run(kInsert, info.id, info.name, state_name(info.state), is_final(info.state), info.provider,
                info.template_name, info.created_us, pack(info), pack(record.hidden));
}

Result<void> update(store::Database& db, const Record& record) {
  const api::SandboxInfo& info = record.info;
  Result<void> done = db.run(kUpdate, info.name, state_name(info.state), is_final(info.state), info.provider,
                             info.template_name, pack(info), pack(record.hidden), info.id);
  if (done && db.changes() != 1) return fail(Code::internal, fmt::format("sandbox {} is not in the store", info.id));
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

Result<std::vector<Record>> load_ended(store::Database& db, std::int64_t created_before_us,
                                       const std::string& id_before, int limit) {
  return read_records(db.all<Bytes, Bytes>(kEnded, created_before_us, id_before, limit));
}

Result<std::vector<std::string>> ids_with_prefix(store::Database& db, const std::string& prefix, int limit) {
  // '~' sorts behind every character of an id.
  const auto rows = db.all<std::string>(kPrefix, prefix, prefix + "~", limit);
  if (!rows) return fail(rows.error());
  std::vector<std::string> ids;
  for (const auto& [id] : *rows) ids.push_back(id);
  return ids;
}

}  // namespace swarm::sandbox
