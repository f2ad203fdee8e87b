#include "protocol/store/migration.hpp"

#include <fmt/format.h>

#include <fstream>

#include "protocol/store/maintenance.hpp"
#include "tests/unit/protocol/store/fixture.hpp"

using namespace swarm;
using namespace swarm::store;
using Catch::Matchers::Contains;

namespace {

Result<void> shout(Database& db) { return db.execute({"shout", "UPDATE notes SET text = upper(text)"}); }

constexpr std::array kNewerNotes = {
    kNotesMigrations[0],
    Migration{2, "shout", shout},
};
constexpr Domain kNewerDomain{"notes", kNewerNotes};
const std::array kNewerDomains = {kCoreDomain, kNewerDomain};

/// Of a store with `kTestDomains`: every migration counts one.
const auto kAllApplied = static_cast<std::int64_t>(kCoreDomain.migrations.size() + kNotesMigrations.size());

std::int64_t user_version(Database& db) {
  return std::get<0>(*must(db.one<std::int64_t>({"t", "SELECT user_version FROM pragma_user_version"})));
}

}  // namespace

TEST_CASE("a new store gets every migration, an old one those it lacks, after a copy was made") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = open_notes(dir / "db");
    CHECK(user_version(db) == kAllApplied);
    must(db.run(kInsertNote, "hello"));
    const MigrationOutcome again = must(migrate(db, kTestDomains, kTestIdentity));
    CHECK(again.applied == 0);
    CHECK(again.backup.empty());
  }
  Database db = must(open_or_create(dir / "db", kTestIdentity, {}));
  const MigrationOutcome outcome = must(migrate(db, kNewerDomains, kTestIdentity));
  CHECK(outcome.applied == 1);
  CHECK(outcome.backup == dir / fmt::format("db.before-{}", kAllApplied));
  CHECK(user_version(db) == kAllApplied + 1);
  CHECK(std::get<0>(*must(db.one<std::string>(kListNotes))) == "HELLO");
  Database copy = must(Database::open(outcome.backup, {.access = Access::read_only}));
  CHECK(std::get<0>(*must(copy.one<std::string>(kListNotes))) == "hello");
}

TEST_CASE("a store of a newer version is refused and told how to go on") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = open_notes(dir / "db");
    must(migrate(db, kNewerDomains, {.program = "swarmd 0.9.0"}));
  }
  Database db = must(open_or_create(dir / "db", kTestIdentity, {}));
  const auto refused = migrate(db, kTestDomains, kTestIdentity);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::failed_precondition);
  CHECK_THAT(refused.error().message,
             Contains("notes 2 ('shout') of swarmd 0.9.0, which this swarmd 0.1.0 does not know"));
  CHECK_THAT(refused.error().message, Contains("swarmctl db restore"));
}

TEST_CASE("another application's database and a file of noise are refused untouched") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database other = must(Database::open(dir / "other", {.access = Access::create}));
    must(other.execute({"t", "CREATE TABLE t (a); PRAGMA application_id=7"}));
  }
  const auto refused = open_or_create(dir / "other", kTestIdentity, {.access = Access::create});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("another application (application_id 0x7, ours is 0x73776d64)"));

  std::ofstream(dir / "noise") << std::string(8192, 'x');
  const auto damaged = open_or_create(dir / "noise", kTestIdentity, {.access = Access::create});
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().code == Code::failed_precondition);
  CHECK_THAT(damaged.error().message, Contains("is damaged") && Contains("swarmctl db restore"));
}

TEST_CASE("a migration that fails leaves the store as it was") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  static constexpr std::array kBroken = {
      kNotesMigrations[0],
      Migration{2, "broken", "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);"},
  };
  const std::array broken = {kCoreDomain, Domain{"notes", kBroken}};
  Database db = open_notes(dir / "db");
  const auto failed = migrate(db, broken, kTestIdentity);
  REQUIRE_FALSE(failed);
  CHECK_THAT(failed.error().message,
             Contains("schema change notes 2 ('broken')") && Contains("no such table: nowhere"));
  CHECK(user_version(db) == kAllApplied);
  CHECK_FALSE(must(db.one<int>({"t", "SELECT 1 FROM sqlite_schema WHERE name='half'"})));
  CHECK_FALSE(db.in_transaction());
}

TEST_CASE("a migration that breaks a reference is refused") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  static constexpr std::array kOrphans = {
      kNotesMigrations[0],
      Migration{2, "orphans", "CREATE TABLE tags (note INTEGER REFERENCES notes(id)); INSERT INTO tags VALUES (17);"},
  };
  const std::array orphans = {kCoreDomain, Domain{"notes", kOrphans}};
  Database db = open_notes(dir / "db");
  CHECK_THAT(migrate(db, orphans, kTestIdentity).error().message, Contains("rows of 'tags' that point to nothing"));
}

TEST_CASE("mistakes in the lists are found") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  static constexpr std::array kGap = {Migration{2, "late", "SELECT 1"}};
  const std::array gap = {kCoreDomain, Domain{"notes", kGap}};
  CHECK(migrate(db, gap, kTestIdentity).error().code == Code::internal);
  const std::array twice = {kCoreDomain, kCoreDomain};
  CHECK(migrate(db, twice, kTestIdentity).error().code == Code::internal);
}
