#include "protocol/store/database.hpp"

#include <sys/stat.h>

#include "tests/unit/protocol/store/fixture.hpp"

using namespace swarm;
using namespace swarm::store;

namespace {

constexpr Sql kTypes{"test.types", "SELECT ?, ?, ?, ?, ?, ?"};

}  // namespace

TEST_CASE("values go in and come out by position with their types") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  const std::string text = "a\0b\xc3\xa4";
  const auto row = must(db.one<std::int64_t, double, std::string, Bytes, std::optional<std::string>, bool>(
      kTypes, INT64_MIN, 0.5, std::string_view("a\0b", 3), Bytes{""}, std::optional<std::string>(), true));
  REQUIRE(row);
  CHECK(*row == std::tuple(INT64_MIN, 0.5, std::string("a\0b", 3), Bytes{""}, std::optional<std::string>(), true));
}

TEST_CASE("a column of another type is an error that names it and not its value") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  const auto row = db.one<std::int64_t>({"test.secret", "SELECT ? AS token"}, "hunter2");
  REQUIRE_FALSE(row);
  CHECK(row.error().message == "test.secret: column 0 'token' is text, expected an integer");
}

TEST_CASE("a failing statement tells name and extended code, not the bound value") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  must(db.run(kInsertNote, "hunter2"));
  const Result<void> again = db.run(kInsertNote, "hunter2");
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Code::already_exists);
  CHECK(again.error().message == "notes.insert: UNIQUE constraint failed: notes.text (SQLITE_CONSTRAINT_UNIQUE 2067)");
}

TEST_CASE("the number of parameters and columns is checked") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  CHECK(db.run(kInsertNote).error().message == "notes.insert: takes 1 parameters, got 0");
  CHECK(db.one<std::int64_t, std::int64_t>(kCountNotes).error().message ==
        "notes.count: has 1 columns, 2 were asked for");
}

TEST_CASE("a statement may be used again while it runs") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  must(db.run(kInsertNote, "one"));
  must(db.run(kInsertNote, "two"));
  Statement outer = must(db.prepare(kListNotes));
  REQUIRE(must(outer.step()));
  CHECK(must(db.all<std::string>(kListNotes)).size() == 2);
  CHECK(std::get<0>(must(outer.row<std::string>())) == "one");
  REQUIRE(must(outer.step()));
  CHECK(std::get<0>(must(outer.row<std::string>())) == "two");
}

TEST_CASE("a transaction that is not committed leaves nothing") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  {
    const Transaction dropped = must(Transaction::begin(db, Transaction::Mode::immediate));
    must(db.run(kInsertNote, "lost"));
  }
  CHECK(count_notes(db) == 0);
  CHECK_FALSE(db.in_transaction());
}

TEST_CASE("a second writer is told that the store is busy") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database first = open_notes(dir / "db");
  Database second = must(Database::open(dir / "db", {.busy_timeout = std::chrono::milliseconds(1)}));
  const Transaction held = must(Transaction::begin(first, Transaction::Mode::immediate));
  const auto refused = Transaction::begin(second, Transaction::Mode::immediate);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unavailable);
  CHECK(refused.error().retryable);
  CHECK(count_notes(second) == 0);  // reading does not wait
}

TEST_CASE("the file and its log are private, and the settings hold") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  must(db.run(kInsertNote, "x"));
  for (const std::string name : {"db", "db-wal", "db-shm"}) {
    struct stat info{};
    REQUIRE(::stat((dir / name).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }
  CHECK(std::get<0>(*must(db.one<std::int64_t>({"t", "PRAGMA foreign_keys"}))) == 1);
  CHECK(std::get<0>(*must(db.one<std::int64_t>({"t", "PRAGMA trusted_schema"}))) == 0);
  CHECK(std::get<0>(*must(db.one<std::int64_t>({"t", "PRAGMA cell_size_check"}))) == 1);
  CHECK(std::get<0>(*must(db.one<std::string>({"t", "PRAGMA journal_mode"}))) == "wal");
}

TEST_CASE("a read-only connection does not write") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  const Database writer = open_notes(dir / "db");
  Database reader = must(Database::open(dir / "db", {.access = Access::read_only}));
  CHECK(reader.run(kInsertNote, "x").error().code == Code::failed_precondition);
}
