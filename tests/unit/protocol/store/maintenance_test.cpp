#include "protocol/store/maintenance.hpp"

#include <sys/stat.h>

#include <fstream>

#include "protocol/store/files.hpp"
#include "tests/unit/protocol/store/fixture.hpp"

using namespace swarm;
using namespace swarm::store;
using Catch::Matchers::Contains;

TEST_CASE("check finds a row that points to nothing and a torn page") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = open_notes(dir / "db");
    CHECK(must(check(db)).sound());
    must(db.execute({"t",
                     "PRAGMA foreign_keys=OFF; CREATE TABLE tags (note INTEGER REFERENCES notes(id));"
                     "INSERT INTO tags VALUES (17)"}));
    const CheckReport report = must(check(db));
    REQUIRE(report.problems.size() == 1);
    CHECK(report.problems.front() == "row 1 of 'tags' points to a row of 'notes' that does not exist");
    for (int i = 0; i < 2000; ++i) must(db.run(kInsertNote, "note " + std::to_string(i)));
  }
  {
    std::fstream file(dir / "db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20 * 4096);
    file << std::string(2048, '\x5a');
  }
  Database db = must(Database::open(dir / "db", {.access = Access::read_only}));
  CHECK_FALSE(must(check(db)).sound());
}

TEST_CASE("a backup is one private file with what was committed, and is not half overwritten") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  must(db.run(kInsertNote, "kept"));
  must(backup(db, dir / "copy", Overwrite::no));
  CHECK(backup(db, dir / "copy", Overwrite::no).error().code == Code::already_exists);
  must(backup(db, dir / "copy", Overwrite::yes));
  struct stat info{};
  REQUIRE(::stat((dir / "copy").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK_FALSE(file_exists(dir / "copy-wal"));
  CHECK_FALSE(file_exists(dir / "copy.partial"));
  Database copy = must(Database::open(dir / "copy", {.access = Access::read_only}));
  CHECK(count_notes(copy) == 1);
}

TEST_CASE("restore puts a copy in place, keeps what was there and begins a new epoch") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = open_notes(dir / "db");
    must(db.run(kInsertNote, "old"));
    must(backup(db, dir / "copy", Overwrite::no));
    must(db.run(kInsertNote, "newer"));
  }
  const RestoreOutcome first = must(restore(dir / "copy", dir / "db", kTestIdentity));
  CHECK(first.epoch == 2);
  {
    Database db = open_notes(dir / "db");
    CHECK(count_notes(db) == 1);
    CHECK(must(read_identity(db)).epoch == 2);
  }
  Database replaced = must(Database::open(first.replaced, {.access = Access::read_only}));
  CHECK(count_notes(replaced) == 2);
  CHECK(must(restore(dir / "copy", dir / "db", kTestIdentity)).epoch == 3);  // never an epoch twice
}

TEST_CASE("restore over a file of noise begins an epoch that cannot have been") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = open_notes(dir / "db");
    must(backup(db, dir / "copy", Overwrite::no));
  }
  std::ofstream(dir / "db") << std::string(8192, 'x');
  CHECK(must(restore(dir / "copy", dir / "db", kTestIdentity)).epoch > 1'700'000'000);
  Database db = open_notes(dir / "db");
  CHECK(must(check(db)).sound());
}

TEST_CASE("restore refuses a damaged copy, a foreign one, and a store in use") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = open_notes(dir / "db");
    must(backup(db, dir / "copy", Overwrite::no));
  }
  std::ofstream(dir / "noise") << std::string(8192, 'x');
  CHECK_FALSE(restore(dir / "noise", dir / "db", kTestIdentity));
  const auto foreign = restore(dir / "copy", dir / "db", {.application_id = 7, .program = "other 1.0"});
  CHECK_THAT(foreign.error().message, Contains("is not a copy of a store of other 1.0"));
  const UniqueFd lock = must(lock_file(dir / "db.lock"));
  CHECK_THAT(restore(dir / "copy", dir / "db", kTestIdentity).error().message,
             Contains("another process has this store open"));
}

TEST_CASE("a restore that was interrupted is said at the next open") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    const Database db = open_notes(dir / "db");
  }
  std::ofstream(dir / "db.restoring") << "half";
  const auto refused = open_or_create(dir / "db", kTestIdentity, {.access = Access::create});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("was interrupted; run it again"));
}
