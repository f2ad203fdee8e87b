// One fault at each single write, fsync and truncation that a store makes: none may cost what was acknowledged, leave
// what was refused, or need more than the fault's end to go on.

#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/store/files.hpp"
#include "protocol/store/maintenance.hpp"
#include "tests/unit/protocol/store/jobs.hpp"

using namespace swarm;
using namespace swarm::store;
using Catch::Matchers::Contains;
using test::FaultAction;
using test::FaultOp;
using test::FaultVfs;

namespace {

constexpr int kJobs = 24;

Result<void> shout(Database& db) { return db.execute({"shout", "UPDATE notes SET text = upper(text)"}); }
constexpr std::array kNewerNotes = {kNotesMigrations[0], Migration{2, "shout", shout},
                                    Migration{3, "tags", "CREATE TABLE tags (a TEXT) STRICT;"}};
constexpr Domain kNewerDomain{"notes", kNewerNotes};
const std::array kNewerDomains = {kCoreDomain, kNewerDomain};

Result<Database> try_open(const std::string& path, std::span<const Domain> domains) {
  Result<Database> db = open_or_create(path, kTestIdentity, {.access = Access::create, .vfs = test::kFaultVfs});
  if (!db) return db;
  const Result<MigrationOutcome> migrated = migrate(*db, domains, kTestIdentity);
  if (!migrated) return fail(migrated.error());
  return db;
}

/// Opens and writes `kJobs` notes, one after the other; which were acknowledged, which may be there after a restart.
struct Told {
  std::vector<std::string> acknowledged;
  std::vector<std::string> unknown;
  bool opened = false;
};

Told write_notes(const std::string& path) {
  Told told;
  Result<Database> db = try_open(path, kTestDomains);
  if (!db) return told;
  told.opened = true;
  Outcomes outcomes;
  Writer writer(std::move(*db), test_self(), {.checkpoint_frames = 10, .retry_interval = std::chrono::milliseconds(0)},
                to(outcomes));
  for (int i = 0; i < kJobs; ++i) {
    must(writer.submit(note(outcomes, std::to_string(i), i % 3 == 0 ? Durability::power : Durability::process)));
    const auto all = outcomes.wait(static_cast<std::size_t>(i) + 1);
    const auto& [text, outcome] = all.back();
    if (outcome) {
      told.acknowledged.push_back(text);
    } else if (outcome.error().message.contains("may be after a restart")) {
      told.unknown.push_back(text);
    }
  }
  return told;
}

std::vector<std::string> notes_in(Database& db) {
  std::vector<std::string> out;
  for (auto& [text] : must(db.all<std::string>(kListNotes))) out.push_back(std::move(text));
  return out;
}

std::uint64_t operations_of(const std::function<void()>& work) {
  const std::uint64_t before = FaultVfs::instance().count(FaultOp::any);
  work();
  return FaultVfs::instance().count(FaultOp::any) - before;
}

/// Which operations of 1 to `count` are tried.
std::vector<std::uint64_t> sample(std::uint64_t count) {
  const std::uint64_t stride = std::getenv("SWARMD_SWEEP") == nullptr ? 4 : 1;
  std::vector<std::uint64_t> out;
  for (std::uint64_t n = 1 + SystemRandom().below(stride); n <= count; n += stride) out.push_back(n);
  return out;
}

/// The status of a child that ran `work` and was, perhaps, killed on its way.
int in_child(const std::function<void()>& work) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    try {
      work();
    } catch (...) {
      ::_exit(3);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("a fault at any single write or fsync loses nothing that was acknowledged") {
  const auto action = GENERATE(FaultAction::no_space, FaultAction::io_error, FaultAction::torn);
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  const std::uint64_t operations = operations_of([&] { write_notes(dir / "count"); });
  REQUIRE(operations > 50);
  int faults_met = 0;
  for (const std::uint64_t n : sample(operations)) {
    CAPTURE(n, static_cast<int>(action));
    const std::string path = dir / std::to_string(n);
    FaultVfs::instance().plan(FaultOp::any, action, n);
    const Told told = write_notes(path);
    FaultVfs::instance().clear();
    if (told.acknowledged.size() < kJobs) ++faults_met;
    if (told.opened) REQUIRE(told.acknowledged.size() + 1 >= kJobs);  // one fault costs one job at most
    Database db = must(try_open(path, kTestDomains));
    REQUIRE(must(check(db)).sound());
    std::vector<std::string> have = notes_in(db);
    std::erase_if(have,
                  [&](const std::string& text) { return std::ranges::find(told.unknown, text) != told.unknown.end(); });
    REQUIRE(have == told.acknowledged);
  }
  CHECK(faults_met > 3);
}

TEST_CASE("a kill at any write of a schema change leaves the old schema or the new one, with the data of that") {
  const auto action = GENERATE(FaultAction::kill, FaultAction::torn_kill);
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  const auto prepare = [&](const std::string& path) {
    Database db = must(try_open(path, kTestDomains));
    must(db.run(kInsertNote, "hello"));
  };
  prepare(dir / "count");
  const std::uint64_t operations = operations_of([&] { static_cast<void>(try_open(dir / "count", kNewerDomains)); });
  REQUIRE(operations > 5);
  int killed = 0;
  for (const std::uint64_t n : sample(operations)) {
    CAPTURE(n, static_cast<int>(action));
    const std::string path = dir / std::to_string(n);
    prepare(path);
    const int status = in_child([&] {
      FaultVfs::instance().plan(FaultOp::any, action, n);
      must(try_open(path, kNewerDomains));
    });
    if (WIFSIGNALED(status)) ++killed;
    {
      Database db = must(open_or_create(path, kTestIdentity, {}));
      const auto version =
          std::get<0>(*must(db.one<std::int64_t>({"t", "SELECT user_version FROM pragma_user_version"})));
      const auto old = static_cast<std::int64_t>(kCoreDomain.migrations.size() + kNotesMigrations.size());
      CAPTURE(version);
      REQUIRE(notes_in(db) == std::vector<std::string>{version > old ? "HELLO" : "hello"});
      REQUIRE(must(check(db)).sound());
    }
    Database db = must(try_open(path, kNewerDomains));
    REQUIRE(notes_in(db) == std::vector<std::string>{"HELLO"});
  }
  CHECK(killed > 1);
}

TEST_CASE("a restore that is killed leaves the old store, the new one, or says that it must be run again") {
  SeededRandom random(SystemRandom().next());
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = must(try_open(dir / "db", kTestDomains));
    SeededRandom id(1);
    must(ensure_identity(db, id));
    must(db.run(kInsertNote, "copy"));
    must(backup(db, dir / "copy", Overwrite::no));
    must(db.run(kInsertNote, "newer"));
  }
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    const auto patience = std::chrono::microseconds(1 + random.below(12'000));
    in_child([&] {
      // SIGALRM ends the process as suddenly as SIGKILL does.
      const itimerval when{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = patience.count()}};
      ::setitimer(ITIMER_REAL, &when, nullptr);
      must(restore(dir / "copy", dir / "db", kTestIdentity));
    });
    Result<Database> db = open_or_create(dir / "db", kTestIdentity, {});
    if (!db) {
      REQUIRE_THAT(db.error().message, Contains("was interrupted; run it again"));
      must(restore(dir / "copy", dir / "db", kTestIdentity));
      db = open_or_create(dir / "db", kTestIdentity, {});
    }
    REQUIRE(db);
    REQUIRE(must(check(*db)).sound());
    const auto have = notes_in(*db);
    REQUIRE((have == std::vector<std::string>{"copy"} || have == std::vector<std::string>{"copy", "newer"}));
    // Again something to lose.
    if (have.size() == 1) must(db->run(kInsertNote, "newer"));
  }
}
