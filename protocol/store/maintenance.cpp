#include "protocol/store/maintenance.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include "protocol/core/clock.hpp"
#include "protocol/core/deleter.hpp"
#include "protocol/store/core_schema.hpp"
#include "protocol/store/files.hpp"

namespace swarm::store {
namespace {

constexpr int kBackupStepPages = 1024;
constexpr Sql kIntegrity{"check.integrity", "SELECT integrity_check FROM pragma_integrity_check(100)"};
constexpr Sql kForeignKeys{"check.foreign_keys",
                           "SELECT \"table\", \"rowid\", \"parent\" FROM pragma_foreign_key_check LIMIT 100"};
constexpr Sql kFirstRead{"backup.snapshot", "SELECT count(*) FROM sqlite_schema"};
constexpr Sql kNoWal{"backup.journal_mode", "PRAGMA journal_mode=DELETE"};
constexpr Sql kSourceApplicationId{"restore.application_id", "SELECT application_id FROM pragma_application_id"};
constexpr Sql kTruncateWal{"restore.checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)"};

/// Copies every page of `from` to `to`. Inside one read transaction, or each commit of a writer would start it again.
Result<void> copy_pages(Database& from, Database& to) {
  Result<Transaction> snapshot = Transaction::begin(from, Transaction::Mode::deferred);
  if (!snapshot) return fail(snapshot.error());
  if (const auto read = from.one<std::int64_t>(kFirstRead); !read) return fail(read.error());
  sqlite3_backup* const copy = sqlite3_backup_init(to.raw(), "main", from.raw(), "main");
  if (copy == nullptr) return sqlite_fail(to.raw(), sqlite3_extended_errcode(to.raw()), "backup.start");
  int code = SQLITE_OK;
  while (code == SQLITE_OK) code = sqlite3_backup_step(copy, kBackupStepPages);
  const int finished = sqlite3_backup_finish(copy);
  if (code != SQLITE_DONE) return sqlite_fail(to.raw(), finished == SQLITE_OK ? code : finished, "backup.copy");
  return {};
}

/// A complete copy of `from` in one file, not yet fsynced.
Result<void> copy_to_file(Database& from, const std::string& target) {
  Result<Database> to = Database::open(target, {.access = Access::create});
  if (!to) return fail(to.error());
  if (Result<void> copied = copy_pages(from, *to); !copied) return copied;
  // The copied header says WAL; a copy is one file that can be moved about.
  const auto mode = to->one<std::string>(kNoWal);
  if (!mode) return fail(mode.error());
  return {};
}

Result<void> remove_database(const std::string& path) {
  for (const std::string_view suffix : {"-journal", "-wal", "-shm", ""}) {
    if (Result<void> removed = remove_file(path + std::string(suffix)); !removed) return removed;
  }
  return {};
}

/// The copy is complete, ours and sound.
Result<void> check_source(Database& source, const Identity& identity) {
  const auto id = source.one<std::int64_t>(kSourceApplicationId);
  if (!id) return fail(id.error());
  if (!*id || std::get<0>(**id) != identity.application_id) {
    return fail(Code::failed_precondition,
                fmt::format("'{}' is not a copy of a store of {}", source.path(), identity.program));
  }
  const Result<CheckReport> report = check(source);
  if (!report) return fail(report.error());
  if (!report->sound()) {
    return fail(Code::failed_precondition, fmt::format("'{}' is damaged itself: {}; choose another copy", source.path(),
                                                       report->problems.front()));
  }
  return {};
}

/// Folds the log of the store that is replaced into its file and reads its epoch; 0 when it cannot be read.
std::int64_t close_old(const std::string& path) {
  Result<Database> old = Database::open(path, {.access = Access::read_write});
  if (!old) return 0;
  const Result<StoreIdentity> identity = read_identity(*old);
  static_cast<void>(old->run(kTruncateWal));
  return identity ? identity->epoch : 0;
}

/// Keeps what is replaced under another name. A hard link: `path` itself never goes missing, so that a crash here
/// cannot make the next start create an empty store.
Result<std::string> keep_old(const std::string& path) {
  const std::string kept = fmt::format("{}.replaced-{}", path, SystemClock().wall().us);
  if (::link(path.c_str(), kept.c_str()) != 0) return fail_errno("link", kept);
  // Left only where the old store could not be opened: it belongs to the old file, and would be replayed into the new
  // one.
  if (file_exists(path + "-wal")) {
    if (Result<void> moved = rename_file(path + "-wal", kept + "-wal"); !moved) return fail(moved.error());
  }
  if (Result<void> removed = remove_file(path + "-shm"); !removed) return fail(removed.error());
  return kept;
}

}  // namespace

Result<CheckReport> check(Database& db) {
  CheckReport report;
  const auto lines = db.all<std::string>(kIntegrity);
  if (!lines) {
    if (db.take_fault() != Fault::corrupt) return fail(lines.error());
    report.problems.push_back(lines.error().message);
    return report;
  }
  for (const auto& [line] : *lines) {
    if (line != "ok") report.problems.push_back(line);
  }
  const auto orphans = db.all<std::string, std::optional<std::int64_t>, std::string>(kForeignKeys);
  if (!orphans) return fail(orphans.error());
  for (const auto& [table, rowid, parent] : *orphans) {
    report.problems.push_back(fmt::format("row {} of '{}' points to a row of '{}' that does not exist",
                                          rowid ? fmt::to_string(*rowid) : "?", table, parent));
  }
  return report;
}

Result<void> backup(Database& db, const std::string& target, Overwrite overwrite) {
  if (overwrite == Overwrite::no && file_exists(target)) {
    return fail(Code::already_exists, fmt::format("backup: '{}' exists; name another file", target));
  }
  const std::string partial = target + ".partial";
  if (Result<void> removed = remove_database(partial); !removed) return fail(removed.error(), "backup");
  Result<void> copied = copy_to_file(db, partial);
  if (copied) copied = sync_file(partial);
  if (copied) copied = rename_file(partial, target);
  if (!copied) {
    static_cast<void>(remove_database(partial));
    return fail(copied.error(), "backup");
  }
  return sync_directory_of(target);
}

Result<RestoreOutcome> restore(const std::string& source, const std::string& path, const Identity& identity) {
  const Result<UniqueFd> lock = lock_file(path + ".lock");
  if (!lock) return fail(lock.error(), "restore");
  const std::string fresh = path + std::string(kRestoringSuffix);
  RestoreOutcome outcome;
  const bool had_old = file_exists(path);
  {
    Result<Database> copy = Database::open(source, {.access = Access::read_only});
    if (!copy) return fail(copy.error(), "restore");
    if (Result<void> good = check_source(*copy, identity); !good) return fail(good.error(), "restore");
    const Result<StoreIdentity> copied_identity = read_identity(*copy);
    if (!copied_identity) return fail(copied_identity.error(), "restore");

    if (Result<void> removed = remove_database(fresh); !removed) return fail(removed.error(), "restore");
    if (Result<void> copied = copy_to_file(*copy, fresh); !copied) return fail(copied.error(), "restore");
    const std::int64_t old_epoch = had_old ? close_old(path) : 0;
    outcome.epoch = std::max(old_epoch, copied_identity->epoch) + 1;
    // Where nobody can say how far the lost store had gone, the time since 1970 is beyond it.
    if (old_epoch == 0) outcome.epoch = std::max(outcome.epoch, SystemClock().wall().us / 1'000'000);
  }
  {
    Result<Database> db = Database::open(fresh, {.access = Access::read_write});
    if (!db) return fail(db.error(), "restore");
    if (Result<void> set = write_epoch(*db, outcome.epoch); !set) return fail(set.error(), "restore");
  }
  if (Result<void> synced = sync_file(fresh); !synced) return fail(synced.error(), "restore");
  if (Result<void> synced = sync_directory_of(fresh); !synced) return fail(synced.error(), "restore");
  if (had_old) {
    Result<std::string> kept = keep_old(path);
    if (!kept) return fail(kept.error(), "restore");
    outcome.replaced = std::move(*kept);
  }
  if (Result<void> moved = rename_file(fresh, path); !moved) return fail(moved.error(), "restore");
  if (Result<void> synced = sync_directory_of(path); !synced) return fail(synced.error(), "restore");
  return outcome;
}

}  // namespace swarm::store
