#include "protocol/store/database.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include "protocol/core/unique_fd.hpp"
#include "protocol/store/connection.hpp"

namespace swarm::store {
namespace {

constexpr std::size_t kCachedStatements = 512;

constexpr Sql kSettings{"database.settings",
                        "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                        "PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864;"};
constexpr Sql kSyncNormal{"database.sync", "PRAGMA synchronous=NORMAL"};
constexpr Sql kSyncFull{"database.sync", "PRAGMA synchronous=FULL"};
constexpr Sql kBegin{"transaction.begin", "BEGIN"};
constexpr Sql kBeginImmediate{"transaction.begin", "BEGIN IMMEDIATE"};
constexpr Sql kCommit{"transaction.commit", "COMMIT"};
constexpr Sql kRollback{"transaction.rollback", "ROLLBACK"};

/// SQLite would create the file with the process's umask; a store is nobody else's business. The WAL inherits the mode.
Result<void> create_private(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno("open", path);
  return {};
}

}  // namespace

Result<Database> Database::open(const std::string& path, const DatabaseOptions& options) {
  if (options.access == Access::create) {
    // Only when missing: closing any descriptor of a file drops this process's POSIX locks on it, also those of another
    // connection.
    // SQLite's name for a database without a file is not a file to be made.
    if (path != ":memory:" && ::access(path.c_str(), F_OK) != 0) {
      if (Result<void> made = create_private(path); !made) return fail(made.error());
    }
  }
  auto connection = std::make_unique<detail::Connection>();
  connection->path = path;
  const int rights = options.access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  const int flags = rights | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, options.vfs.empty() ? nullptr : options.vfs.c_str());
  connection->handle.reset(handle);
  if (code != SQLITE_OK) return sqlite_fail(handle, code, fmt::format("open store '{}'", path));

  sqlite3_busy_timeout(handle, static_cast<int>(options.busy_timeout.count()));
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  detail::Connection* const self = connection.get();
  Database db(std::move(connection));
  if (Result<void> set = db.execute(kSettings); !set) return fail(set.error(), fmt::format("open store '{}'", path));
  // After the pragmas: setting wal_autocheckpoint replaces the hook.
  sqlite3_wal_hook(
      handle,
      [](void* connection_of_hook, sqlite3*, const char*, int frames) {
        static_cast<detail::Connection*>(connection_of_hook)->wal_frames = frames;
        return SQLITE_OK;
      },
      self);
  return db;
}

Database::Database(std::unique_ptr<detail::Connection> connection) : connection_(std::move(connection)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

const std::string& Database::path() const { return connection_->path; }

Result<Statement> Database::prepare(Sql sql) {
  auto& cache = connection_->cache;
  const auto known = cache.find(sql.text);
  if (known != cache.end() && !known->second->in_use) {
    known->second->in_use = true;
    return Statement(connection_.get(), known->second.get());
  }
  const bool keep = known == cache.end() && cache.size() < kCachedStatements;
  sqlite3_stmt* raw_statement = nullptr;
  const int code = sqlite3_prepare_v3(connection_->handle.get(), sql.text.data(), static_cast<int>(sql.text.size()),
                                      keep ? SQLITE_PREPARE_PERSISTENT : 0, &raw_statement, nullptr);
  auto prepared = std::make_unique<detail::Prepared>();
  prepared->statement.reset(raw_statement);
  if (code != SQLITE_OK) return connection_->failed(code, sql.name);
  prepared->name = sql.name;
  prepared->in_use = true;
  prepared->cached = keep;
  detail::Prepared* const borrowed = prepared.get();
  if (keep) {
    cache.emplace(sql.text, std::move(prepared));
  } else {
    static_cast<void>(prepared.release());  // the Statement deletes it
  }
  return Statement(connection_.get(), borrowed);
}

Result<void> Database::execute(Sql sql) {
  const std::string text(sql.text);  // sqlite3_exec wants a terminator
  const int code = sqlite3_exec(connection_->handle.get(), text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return connection_->failed(code, sql.name);
  return {};
}

std::int64_t Database::changes() const { return sqlite3_changes64(connection_->handle.get()); }
std::int64_t Database::last_insert_rowid() const { return sqlite3_last_insert_rowid(connection_->handle.get()); }
std::int64_t Database::total_changes() const { return sqlite3_total_changes64(connection_->handle.get()); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(connection_->handle.get()) == 0; }

Result<void> Database::set_sync(Sync sync) {
  if (connection_->sync == sync) return {};
  Result<void> set = run(sync == Sync::full ? kSyncFull : kSyncNormal);
  if (set) connection_->sync = sync;
  return set;
}

Fault Database::take_fault() { return std::exchange(connection_->fault, Fault::none); }

Result<int> Database::checkpoint() {
  int frames = 0;
  int copied = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(connection_->handle.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
  if (code != SQLITE_OK && code != SQLITE_BUSY) return connection_->failed(code, "database.checkpoint");
  if (code == SQLITE_OK && frames == copied) connection_->wal_frames = 0;
  return frames - copied;
}

int Database::wal_frames() const { return connection_->wal_frames; }

sqlite3* Database::raw() { return connection_->handle.get(); }

Result<Transaction> Transaction::begin(Database& db, Mode mode) {
  if (Result<void> begun = db.run(mode == Mode::immediate ? kBeginImmediate : kBegin); !begun) {
    return fail(begun.error());
  }
  return Transaction(&db);
}

Result<void> Transaction::commit() {
  Result<void> done = db_->run(kCommit);
  if (!done) {
    rollback();
    return done;
  }
  db_ = nullptr;
  return {};
}

void Transaction::rollback() {
  if (db_ == nullptr) return;
  // SQLite has rolled back by itself after some faults; a ROLLBACK that fails leaves nothing to do but close.
  if (db_->in_transaction()) static_cast<void>(db_->run(kRollback));
  db_ = nullptr;
}

}  // namespace swarm::store
