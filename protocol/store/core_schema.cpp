#include "protocol/store/core_schema.hpp"

#include <fmt/format.h>

#include <array>

namespace swarm::store {
namespace {

// events.seq is never reused although it is not AUTOINCREMENT (which costs a page more a commit): retention always
// keeps the newest row, and SQLite then continues after it. origin_store NULL is this store; origin_seq NULL is seq
// itself.
constexpr std::array kMigrations = {
    Migration{1, "identity, events, answers", R"(
      CREATE TABLE store_meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        time_us INTEGER NOT NULL,
        type TEXT NOT NULL,
        swarm TEXT, sandbox TEXT, agent TEXT, run TEXT, task TEXT,
        origin_store TEXT, origin_epoch INTEGER NOT NULL, origin_seq INTEGER,
        data BLOB NOT NULL
      ) STRICT;
      CREATE TABLE event_origins (
        store TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE answers (
        scope TEXT NOT NULL, key TEXT NOT NULL, method TEXT NOT NULL, args_hash BLOB NOT NULL,
        answer BLOB NOT NULL, created_us INTEGER NOT NULL,
        PRIMARY KEY (scope, key)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX answers_by_age ON answers (created_us);
    )"},
    Migration{2, "calls that have begun", "ALTER TABLE answers ADD COLUMN state TEXT NOT NULL DEFAULT 'answered'"},
};

constexpr Sql kReadIdentity{"store.identity",
                            "SELECT (SELECT value FROM store_meta WHERE key='store_id'),"
                            " (SELECT value FROM store_meta WHERE key='epoch')"};
constexpr Sql kReadRun{"store.run", "SELECT value FROM store_meta WHERE key='run'"};
constexpr Sql kSet{"store.set_meta",
                   "INSERT INTO store_meta (key, value) VALUES (?, ?)"
                   " ON CONFLICT (key) DO UPDATE SET value = excluded.value"};

}  // namespace

const Domain kCoreDomain{"core", kMigrations};

Result<StoreIdentity> read_identity(Database& db) {
  auto row = db.one<std::optional<std::string>, std::optional<std::int64_t>>(kReadIdentity);
  if (!row) return fail(row.error());
  auto& [id, epoch] = **row;
  if (!id || !epoch) return fail(Code::not_found, fmt::format("the store '{}' has no identity yet", db.path()));
  return StoreIdentity{.store_id = std::move(*id), .epoch = *epoch};
}

Result<StoreIdentity> ensure_identity(Database& db, Random& random) {
  Result<StoreIdentity> known = read_identity(db);
  if (known || known.error().code != Code::not_found) return known;
  StoreIdentity made{.store_id = fmt::format("{:016x}{:016x}", random.next(), random.next()), .epoch = 1};
  Result<Transaction> transaction = Transaction::begin(db, Transaction::Mode::immediate);
  if (!transaction) return fail(transaction.error());
  if (auto set = db.run(kSet, "store_id", made.store_id); !set) return fail(set.error());
  if (auto set = db.run(kSet, "epoch", made.epoch); !set) return fail(set.error());
  if (auto done = transaction->commit(); !done) return fail(done.error());
  return made;
}

Result<LastRun> begin_run(Database& db) {
  const auto row = db.one<std::optional<std::string>>(kReadRun);
  if (!row) return fail(row.error());
  const std::optional<std::string> last = *row ? std::get<0>(**row) : std::nullopt;
  if (Result<void> set = db.run(kSet, "run", "begun"); !set) return fail(set.error());
  if (!last) return LastRun::none;
  return *last == "begun" ? LastRun::killed : LastRun::stopped;
}

Result<void> end_run(Database& db) { return db.run(kSet, "run", "stopped"); }

Result<void> write_epoch(Database& db, std::int64_t epoch) { return db.run(kSet, "epoch", epoch); }

}  // namespace swarm::store
