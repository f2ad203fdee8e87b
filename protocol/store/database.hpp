#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/core/error.hpp"
#include "protocol/store/sqlite_error.hpp"
#include "protocol/store/statement.hpp"

struct sqlite3;

namespace swarm::store {

/// Which rights a connection has.
enum class Access {
  read_only,   ///< the file must exist; every write is refused
  read_write,  ///< the file must exist
  create,      ///< made when missing, mode 0600
};

/// When SQLite waits for the disk (PRAGMA synchronous).
enum class Sync {
  normal,  ///< WAL: at checkpoints; survives a crash of the process
  full,    ///< WAL: at each commit; survives a loss of power
};

struct DatabaseOptions {
  Access access = Access::read_write;
  /// How long a statement waits for a lock of another connection.
  std::chrono::milliseconds busy_timeout{5000};
  /// Name of a registered SQLite VFS; empty is the system's own. Tests inject faults here.
  std::string vfs{};
};

/// One SQLite connection with our settings: foreign keys on, untrusted schema, defensive, cell sizes checked, no
/// double-quoted strings. Used by one thread at a time. It does not choose the journal mode; `open_or_create` does.
class Database {
 public:
  /// Opens `path`, whose directory must exist. Without `Access::create` a missing file is `unavailable`
  /// (SQLITE_CANTOPEN).
  static Result<Database> open(const std::string& path, const DatabaseOptions& options);

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  [[nodiscard]] const std::string& path() const;

  /// A prepared statement from the cache. `sql.text` must be static.
  Result<Statement> prepare(Sql sql);

  /// Runs one or more statements without parameters or rows; `sql.text` need not be static.
  Result<void> execute(Sql sql);

  /// Binds `values`, runs to the end.
  template <class... A>
  Result<void> run(Sql sql, const A&... values) {
    Result<Statement> statement = prepare(sql);
    if (!statement) return fail(statement.error());
    if (Result<void> bound = statement->bind(values...); !bound) return bound;
    return statement->run();
  }

  /// The first row, if there is one: `db.one<std::int64_t, std::string>(kFind, id)`.
  template <class... T, class... A>
  Result<std::optional<std::tuple<T...>>> one(Sql sql, const A&... values) {
    Result<Statement> statement = prepare(sql);
    if (!statement) return fail(statement.error());
    if (Result<void> bound = statement->bind(values...); !bound) return fail(bound.error());
    const Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return std::optional<std::tuple<T...>>();
    Result<std::tuple<T...>> row = statement->row<T...>();
    if (!row) return fail(row.error());
    return std::optional<std::tuple<T...>>(std::move(*row));
  }

  /// All rows, in order. The query bounds their number.
  template <class... T, class... A>
  Result<std::vector<std::tuple<T...>>> all(Sql sql, const A&... values) {
    Result<Statement> statement = prepare(sql);
    if (!statement) return fail(statement.error());
    if (Result<void> bound = statement->bind(values...); !bound) return fail(bound.error());
    std::vector<std::tuple<T...>> rows;
    while (true) {
      const Result<bool> more = statement->step();
      if (!more) return fail(more.error());
      if (!*more) return rows;
      Result<std::tuple<T...>> row = statement->row<T...>();
      if (!row) return fail(row.error());
      rows.push_back(std::move(*row));
    }
  }

  /// Rows changed by the last INSERT, UPDATE or DELETE.
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_insert_rowid() const;
  /// Rows that were ever changed through this connection, also by what was undone since.
  [[nodiscard]] std::int64_t total_changes() const;
  [[nodiscard]] bool in_transaction() const;

  /// Must be called outside a transaction.
  Result<void> set_sync(Sync sync);

  /// Storage trouble seen since the last call, even where the caller swallowed the error: `none`, or the worst.
  Fault take_fault();

  /// Copies committed WAL frames into the database file without waiting for readers. Gives the frames still in the WAL.
  Result<int> checkpoint();

  /// Frames in the WAL after this connection's last commit.
  [[nodiscard]] int wal_frames() const;

  /// The connection itself, for code in .cpp files that includes <sqlite3.h>.
  [[nodiscard]] sqlite3* raw();

 private:
  explicit Database(std::unique_ptr<detail::Connection> connection);
  std::unique_ptr<detail::Connection> connection_;
};

/// A transaction that is rolled back unless committed.
class Transaction {
 public:
  enum class Mode {
    deferred,   ///< for reading: one snapshot, taken at the first read
    immediate,  ///< for writing: takes the write lock now
  };
  static Result<Transaction> begin(Database& db, Mode mode);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() { rollback(); }

  /// After a failure everything is rolled back. (Where an fsync failed, the log may still hold it: see `Writer`.)
  Result<void> commit();
  void rollback();

 private:
  explicit Transaction(Database* db) : db_(db) {}
  Database* db_;
};

}  // namespace swarm::store
