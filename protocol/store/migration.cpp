#include "protocol/store/migration.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "protocol/core/clock.hpp"
#include "protocol/store/files.hpp"
#include "protocol/store/maintenance.hpp"

namespace swarm::store {
namespace {

constexpr Sql kApplicationId{"migrate.application_id", "SELECT application_id FROM pragma_application_id"};
constexpr Sql kUserVersion{"migrate.user_version", "SELECT user_version FROM pragma_user_version"};
constexpr Sql kTables{"migrate.tables", "SELECT count(*) FROM sqlite_schema"};
constexpr Sql kHistoryExists{"migrate.history_exists",
                             "SELECT 1 FROM sqlite_schema WHERE type='table' AND name='schema_migrations'"};
constexpr Sql kCreateHistory{
    "migrate.create_history",
    "CREATE TABLE schema_migrations (domain TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL,"
    " program TEXT NOT NULL, applied_us INTEGER NOT NULL, PRIMARY KEY (domain, version)) STRICT, WITHOUT ROWID"};
constexpr Sql kHistory{"migrate.history",
                       "SELECT domain, version, name, program FROM schema_migrations ORDER BY domain, version"};
constexpr Sql kRecord{"migrate.record", "INSERT INTO schema_migrations VALUES (?, ?, ?, ?, ?)"};
constexpr Sql kForeignKeysOff{"migrate.foreign_keys_off", "PRAGMA foreign_keys=OFF"};
constexpr Sql kForeignKeysOn{"migrate.foreign_keys_on", "PRAGMA foreign_keys=ON"};
constexpr Sql kForeignKeyCheck{"migrate.foreign_key_check",
                               "SELECT \"table\", \"parent\" FROM pragma_foreign_key_check LIMIT 1"};
constexpr Sql kWal{"store.journal_mode", "PRAGMA journal_mode=WAL"};

using Applied = std::map<std::pair<std::string, int>, std::pair<std::string, std::string>>;

Result<std::int64_t> number(Database& db, Sql sql) {
  const auto row = db.one<std::int64_t>(sql);
  if (!row) return fail(row.error());
  return *row ? std::get<0>(**row) : 0;
}

Result<Applied> read_history(Database& db) {
  Applied out;
  const auto exists = db.one<int>(kHistoryExists);
  if (!exists) return fail(exists.error());
  if (!*exists) return out;
  auto rows = db.all<std::string, int, std::string, std::string>(kHistory);
  if (!rows) return fail(rows.error());
  for (auto& [domain, version, name, program] : *rows) {
    out.try_emplace({std::move(domain), version}, std::move(name), std::move(program));
  }
  return out;
}

const Migration* find(std::span<const Domain> domains, std::string_view domain, int version) {
  for (const Domain& d : domains) {
    if (d.name != domain) continue;
    for (const Migration& m : d.migrations) {
      if (m.version == version) return &m;
    }
  }
  return nullptr;
}

/// A database that went further than this program must not be written by it.
Result<void> refuse_unknown(const std::string& path, const Applied& applied, std::span<const Domain> domains,
                            const Identity& identity) {
  for (const auto& [key, what] : applied) {
    const auto& [domain, version] = key;
    const auto& [name, program] = what;
    const Migration* const ours = find(domains, domain, version);
    if (ours != nullptr && ours->name == name) continue;
    const std::string_view problem = ours == nullptr ? "does not know" : "knows under another name";
    return fail(
        Code::failed_precondition,
        fmt::format("the store '{}' has the schema change {} {} ('{}') of {}, which this {} {}; run {} or newer, "
                    "or go back to a copy from before it: swarmctl db restore FILE (see '{}.before-*')",
                    path, domain, version, name, program, identity.program, problem, program, path));
  }
  return {};
}

Result<void> apply(Database& db, const Domain& domain, const Migration& migration, const Identity& identity) {
  Result<Transaction> transaction = Transaction::begin(db, Transaction::Mode::immediate);
  if (!transaction) return fail(transaction.error());
  Result<void> changed;
  if (const auto* const sql = std::get_if<std::string_view>(&migration.change)) {
    changed = db.execute({migration.name, *sql});
  } else {
    changed = std::get<Migration::Function>(migration.change)(db);
  }
  if (!changed) return changed;
  if (!db.in_transaction()) return fail(Code::internal, "the migration ended its own transaction");
  const auto broken = db.one<std::string, std::optional<std::string>>(kForeignKeyCheck);
  if (!broken) return fail(broken.error());
  if (*broken) {
    return fail(Code::internal, fmt::format("it leaves rows of '{}' that point to nothing", std::get<0>(**broken)));
  }
  const std::int64_t now_us = SystemClock().wall().us;
  if (auto recorded = db.run(kRecord, domain.name, migration.version, migration.name, identity.program, now_us);
      !recorded) {
    return recorded;
  }
  const Result<std::int64_t> version = number(db, kUserVersion);
  if (!version) return fail(version.error());
  if (auto set = db.execute({"migrate.set_version", fmt::format("PRAGMA user_version={}", *version + 1)}); !set) {
    return set;
  }
  return transaction->commit();
}

Result<void> apply_all(Database& db, std::span<const Domain> domains, const Applied& applied, const Identity& identity,
                       int& count) {
  for (const Domain& domain : domains) {
    for (const Migration& migration : domain.migrations) {
      if (applied.contains({std::string(domain.name), migration.version})) continue;
      Result<void> done = apply(db, domain, migration, identity);
      if (!done) {
        return fail(done.error(), fmt::format("schema change {} {} ('{}') of the store '{}' (nothing of it was kept)",
                                              domain.name, migration.version, migration.name, db.path()));
      }
      ++count;
    }
  }
  return {};
}

/// Bugs in the lists themselves.
Result<void> check_lists(std::span<const Domain> domains) {
  std::set<std::string_view> names;
  for (const Domain& domain : domains) {
    if (!names.insert(domain.name).second) {
      return fail(Code::internal, fmt::format("two migration lists are called '{}'", domain.name));
    }
    int expected = 0;
    for (const Migration& m : domain.migrations) {
      if (m.version != ++expected) {
        return fail(Code::internal, fmt::format("migrations of '{}': expected version {}, found {} ('{}')", domain.name,
                                                expected, m.version, m.name));
      }
    }
  }
  return {};
}

bool anything_to_do(std::span<const Domain> domains, const Applied& applied) {
  for (const Domain& domain : domains) {
    for (const Migration& m : domain.migrations) {
      if (!applied.contains({std::string(domain.name), m.version})) return true;
    }
  }
  return false;
}

Result<void> check_owner(Database& db, const Identity& identity) {
  const Result<std::int64_t> id = number(db, kApplicationId);
  if (!id) return fail(id.error());
  const Result<std::int64_t> tables = number(db, kTables);
  if (!tables) return fail(tables.error());
  if (*id == identity.application_id || (*id == 0 && *tables == 0)) return {};
  return fail(
      Code::failed_precondition,
      fmt::format("'{}' is a database of another application (application_id {:#x}, ours is {:#x}); it was not "
                  "touched. Move it away, or name another place for the store",
                  db.path(), static_cast<std::uint32_t>(*id), static_cast<std::uint32_t>(identity.application_id)));
}

}  // namespace

Result<Database> open_or_create(const std::string& path, const Identity& identity, const DatabaseOptions& options) {
  if (file_exists(path + std::string(kRestoringSuffix))) {
    return fail(
        Code::failed_precondition,
        fmt::format("a restore of the store '{}' was interrupted; run it again: swarmctl db restore FILE", path));
  }
  const bool existed = file_exists(path);
  Result<Database> db = Database::open(path, options);
  if (!db) return db;
  if (!existed) {
    if (Result<void> synced = sync_directory_of(path); !synced) return fail(synced.error());
  }
  Result<void> ours = check_owner(*db, identity);
  if (!ours) {
    const Fault fault = db->take_fault();
    if (fault != Fault::corrupt) return fail(ours.error());
    return fail(Code::failed_precondition,
                fmt::format("the store '{}' is damaged ({}). Go back to a copy: swarmctl db restore FILE; the damaged "
                            "file is kept beside it",
                            path, ours.error().message));
  }
  if (auto set =
          db->execute({"store.application_id", fmt::format("PRAGMA application_id={}", identity.application_id)});
      !set) {
    return fail(set.error());
  }
  const auto mode = db->one<std::string>(kWal);
  if (!mode) return fail(mode.error());
  if (!*mode || std::get<0>(**mode) != "wal") {
    return fail(
        Code::failed_precondition,
        fmt::format("the file system of '{}' does not allow a write-ahead log (shared memory is missing; network "
                    "file systems lack it); put the store on a local disk",
                    path));
  }
  return db;
}

Result<MigrationOutcome> migrate(Database& db, std::span<const Domain> domains, const Identity& identity) {
  if (Result<void> sound = check_lists(domains); !sound) return fail(sound.error());
  if (Result<void> ours = check_owner(db, identity); !ours) return fail(ours.error());
  const Result<Applied> applied = read_history(db);
  if (!applied) return fail(applied.error());
  const Result<std::int64_t> version = number(db, kUserVersion);
  if (!version) return fail(version.error());
  if (Result<void> known = refuse_unknown(db.path(), *applied, domains, identity); !known) return fail(known.error());
  if (*version != static_cast<std::int64_t>(applied->size())) {
    return fail(
        Code::failed_precondition,
        fmt::format("the store '{}' says schema version {} and lists {} changes: it is damaged or was edited. Go "
                    "back to a copy: swarmctl db restore FILE",
                    db.path(), *version, applied->size()));
  }
  MigrationOutcome outcome;
  if (!anything_to_do(domains, *applied)) return outcome;
  if (applied->empty()) {
    const auto exists = db.one<int>(kHistoryExists);
    if (!exists) return fail(exists.error());
    if (!*exists) {
      if (Result<void> made = db.run(kCreateHistory); !made) return fail(made.error());
    }
  } else {
    outcome.backup = fmt::format("{}.before-{}", db.path(), *version);
    if (Result<void> copied = backup(db, outcome.backup, Overwrite::yes); !copied) {
      return fail(copied.error(), "copy the store before its schema changes");
    }
  }
  if (Result<void> off = db.run(kForeignKeysOff); !off) return fail(off.error());
  if (Result<void> full = db.set_sync(Sync::full); !full) return fail(full.error());
  Result<void> done = apply_all(db, domains, *applied, identity, outcome.applied);
  Result<void> on = db.run(kForeignKeysOn);
  if (!done) return fail(done.error());
  if (!on) return fail(on.error());
  return outcome;
}

}  // namespace swarm::store
