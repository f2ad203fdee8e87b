#include "protocol/store/writer.hpp"

#include <fstream>
#include <thread>

#include "protocol/store/maintenance.hpp"
#include "tests/unit/protocol/store/jobs.hpp"

using namespace swarm;
using namespace swarm::store;
using Catch::Matchers::Contains;
using test::FaultAction;
using test::FaultOp;
using test::FaultVfs;

namespace {

constexpr Sql kReleaseOfJob{"test.release", "RELEASE job"};

struct ClearFaults {
  ~ClearFaults() { FaultVfs::instance().clear(); }
};

}  // namespace

TEST_CASE("jobs run in order, one that fails is rolled back alone, and events follow the commit") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Outcomes outcomes;
  Gate gate;
  Writer writer(open_notes(dir / "db"), test_self(), {}, to(outcomes));
  must(writer.submit(gate.job(outcomes)));
  gate.wait_until_entered();
  must(writer.submit(note(outcomes, "a")));
  must(writer.submit(note(outcomes, "a")));  // not unique
  must(writer.submit(std::make_shared<TestJob>(outcomes, "half", Durability::process, [](Changes& c) -> Result<void> {
    must(c.db().run(kInsertNote, "half"));
    must(c.append({.type = "half"}));
    throw std::runtime_error("thrown");
  })));
  must(writer.submit(note(outcomes, "b")));
  gate.open();
  const auto all = outcomes.wait(5);
  REQUIRE(all.size() == 5);
  CHECK(all[1].second);
  CHECK(all[2].second.error().code == Code::already_exists);
  CHECK(all[3].second.error().message == "test.job: thrown");
  CHECK(all[4].first == "b");
  CHECK(all[4].second);
  CHECK(writer.stats().batches == 2);
  writer.close();
  CHECK(outcomes.seqs() == std::vector<std::int64_t>{1, 2});
  Database db = open_notes(dir / "db");
  CHECK(must(db.all<std::string>(kListNotes)) == std::vector<std::tuple<std::string>>{{"a"}, {"b"}});
}

TEST_CASE("a full queue refuses, an abandoned job is skipped, a closed writer refuses") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Outcomes outcomes;
  Gate gate;
  Writer writer(open_notes(dir / "db"), test_self(), {.queue_limit = 2}, to(outcomes));
  must(writer.submit(gate.job(outcomes)));
  gate.wait_until_entered();
  const auto dropped = note(outcomes, "dropped");
  must(writer.submit(dropped));
  must(writer.submit(note(outcomes, "kept")));
  const Result<void> refused = writer.submit(note(outcomes, "one too many"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::resource_exhausted);
  CHECK(refused.error().retryable);
  dropped->abandon();
  gate.open();
  writer.close();
  const auto all = outcomes.wait(3);
  CHECK(all[1].second.error().code == Code::cancelled);
  CHECK(all[2].second);
  CHECK(writer.submit(note(outcomes, "late")).error().code == Code::unavailable);
  Database db = open_notes(dir / "db");
  CHECK(count_notes(db) == 1);
}

TEST_CASE("only power-class batches are fsynced, and many writers share one fsync") {
  const test::TemporaryDirectory dir;  // on the disk: its pace is what makes batches
  const ClearFaults clear;
  Outcomes outcomes;
  Writer writer(open_notes(dir / "db", test::kFaultVfs), test_self(), {.checkpoint_frames = 1'000'000}, to(outcomes));
  must(writer.submit(note(outcomes, "first", Durability::power)));
  outcomes.wait(1);

  std::uint64_t before = FaultVfs::instance().log_syncs();
  for (int i = 0; i < 100; ++i) {
    must(writer.submit(note(outcomes, "p" + std::to_string(i))));
    outcomes.wait(static_cast<std::size_t>(i) + 2);
  }
  CHECK(FaultVfs::instance().log_syncs() == before);

  constexpr int kThreads = 8;
  constexpr int kJobs = 200;
  before = FaultVfs::instance().log_syncs();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kJobs; ++i) {
        must(writer.submit(note(outcomes, std::to_string(t) + "/" + std::to_string(i), Durability::power)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto all = outcomes.wait(101 + kThreads * kJobs);
  const std::uint64_t syncs = FaultVfs::instance().log_syncs() - before;
  CHECK(all.size() == 101 + kThreads * kJobs);
  CHECK(std::ranges::all_of(all, [](const auto& o) { return o.second.has_value(); }));
  CHECK(syncs >= 1);
  CHECK(syncs < kThreads * kJobs / 4);
  CHECK(writer.stats().power_batches <= syncs + 1);
}

TEST_CASE("a full disk fails the jobs, keeps what was acknowledged, and the store recovers by itself") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  const ClearFaults clear;
  const auto action = GENERATE(FaultAction::no_space, FaultAction::io_error, FaultAction::torn);
  const auto op = GENERATE(FaultOp::write, FaultOp::sync);
  Outcomes outcomes;
  Writer writer(open_notes(dir / "db", test::kFaultVfs), test_self(), {.retry_interval = std::chrono::milliseconds(5)},
                to(outcomes));
  must(writer.submit(note(outcomes, "before", Durability::power)));
  REQUIRE(outcomes.wait(1)[0].second);
  FaultVfs::instance().plan(op, action, 1, FaultVfs::Lasting::yes);
  must(writer.submit(note(outcomes, "lost", Durability::power)));
  must(writer.submit(note(outcomes, "lost too", Durability::power)));
  const auto all = outcomes.wait(3);
  REQUIRE(all.size() == 3);
  for (const std::size_t i : {1U, 2U}) {
    REQUIRE_FALSE(all[i].second);
    CHECK(all[i].second.error().retryable);
    CHECK_THAT(all[i].second.error().message, Contains("SQLITE_"));
  }
  CHECK(writer.health().state == Health::State::degraded);
  Database reader = must(Database::open(dir / "db", {.access = Access::read_only}));
  CHECK(count_notes(reader) == 1);  // reads go on
  FaultVfs::instance().clear();
  CHECK(outcomes.wait_states(2) == std::vector{Health::State::degraded, Health::State::ok});
  must(writer.submit(note(outcomes, "after", Durability::power)));
  CHECK(outcomes.wait(4).back().second);
  writer.close();
  Database db = open_notes(dir / "db");
  CHECK(must(db.all<std::string>(kListNotes)) == std::vector<std::tuple<std::string>>{{"before"}, {"after"}});
  CHECK(must(check(db)).sound());
}

TEST_CASE("one failed fsync is tried again at once and the outcome is known") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  const ClearFaults clear;
  Outcomes outcomes;
  Writer writer(open_notes(dir / "db", test::kFaultVfs), test_self(), {}, to(outcomes));
  must(writer.submit(note(outcomes, "before", Durability::power)));
  outcomes.wait(1);
  FaultVfs::instance().plan(FaultOp::sync, FaultAction::io_error, 1);
  must(writer.submit(note(outcomes, "lost", Durability::power)));
  const auto all = outcomes.wait(2);
  CHECK_THAT(all[1].second.error().message, Contains("the change was not recorded") && Contains("SQLITE_IOERR_FSYNC"));
  CHECK(writer.health().state == Health::State::ok);
}

TEST_CASE("a damaged page stops writing with advice") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = open_notes(dir / "db");
    for (int i = 0; i < 2000; ++i) must(db.run(kInsertNote, "note " + std::to_string(i)));
  }
  {
    std::fstream file(dir / "db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20 * 4096);
    file << std::string(16 * 4096, '\x5a');
  }
  Outcomes outcomes;
  Writer writer(open_notes(dir / "db"), test_self(), {.retry_interval = std::chrono::milliseconds(1)}, to(outcomes));
  must(writer.submit(std::make_shared<TestJob>(outcomes, "read", Durability::process, [](Changes& c) -> Result<void> {
    const auto all = c.db().all<std::string>(kListNotes);
    return all ? Result<void>() : fail(all.error());
  })));
  const auto first = outcomes.wait(1);
  REQUIRE_FALSE(first[0].second);
  CHECK_THAT(first[0].second.error().message, Contains("SQLITE_CORRUPT") && Contains("swarmctl db restore"));
  CHECK(writer.health().state == Health::State::damaged);
  must(writer.submit(note(outcomes, "refused")));
  CHECK_FALSE(outcomes.wait(2)[1].second);
}

TEST_CASE("retention runs by itself, and a log that grew is folded") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Outcomes outcomes;
  Writer writer(open_notes(dir / "db"), test_self(),
                {.checkpoint_frames = 8, .events = {.max_count = 10}, .prune_every = 16}, to(outcomes));
  for (int i = 0; i < 64; ++i) {
    must(writer.submit(note(outcomes, std::to_string(i))));
    outcomes.wait(static_cast<std::size_t>(i) + 1);
  }
  writer.close();
  CHECK(writer.stats().checkpoints > 0);
  Database db = open_notes(dir / "db");
  const EventRange range = must(event_range(db));
  CHECK(range.newest == 64);
  CHECK(range.oldest > 32);
}

TEST_CASE("a job that looks before it changes anything refuses alone, without a savepoint") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Outcomes outcomes;
  Gate gate;
  Writer writer(open_notes(dir / "db"), test_self(), {}, to(outcomes));
  must(writer.submit(gate.job(outcomes)));
  gate.wait_until_entered();
  must(writer.submit(note(outcomes, "before")));
  must(writer.submit(std::make_shared<TestJob>(
      outcomes, "refused", Durability::process,
      [](Changes& c) -> Result<void> {
        if (c.db().run(kReleaseOfJob)) return fail(Code::internal, "there is a savepoint");
        return fail(Code::not_found, "nobody is there");
      },
      Undo::with_batch)));
  must(writer.submit(note(outcomes, "after")));
  gate.open();
  const auto all = outcomes.wait(4);
  REQUIRE(all.size() == 4);
  CHECK(all[1].second);
  REQUIRE_FALSE(all[2].second);
  CHECK(all[2].second.error().code == Code::not_found);
  CHECK(all[3].second);
  writer.close();
  Database db = open_notes(dir / "db");
  CHECK(count_notes(db) == 2);
}

TEST_CASE("a job that fails in the middle without a savepoint takes its batch along, and nothing of it is recorded") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Outcomes outcomes;
  Gate gate;
  Writer writer(open_notes(dir / "db"), test_self(), {}, to(outcomes));
  must(writer.submit(gate.job(outcomes)));
  gate.wait_until_entered();
  must(writer.submit(note(outcomes, "innocent")));
  must(writer.submit(std::make_shared<TestJob>(
      outcomes, "half done", Durability::process,
      [](Changes& c) -> Result<void> {
        if (auto inserted = c.db().run(kInsertNote, "half"); !inserted) return inserted;
        return fail(Code::internal, "a mistake");
      },
      Undo::with_batch)));
  gate.open();
  const auto failed = outcomes.wait(3);
  REQUIRE(failed.size() == 3);
  for (std::size_t i = 1; i < 3; ++i) {
    REQUIRE_FALSE(failed[i].second);
    CHECK(failed[i].second.error().retryable);
    CHECK_THAT(failed[i].second.error().message, Contains("not recorded") && Contains("a mistake"));
  }
  must(writer.submit(note(outcomes, "later")));
  CHECK(outcomes.wait(4)[3].second);
  CHECK(outcomes.seqs().size() == 1);
  writer.close();
  Database db = open_notes(dir / "db");
  CHECK(count_notes(db) == 1);
}

TEST_CASE("with a folder beside it a writer that never rests begins its log anew") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Outcomes outcomes;
  Writer writer(open_notes(dir / "db"), test_self(), {.checkpoint_frames = 50}, to(outcomes),
                std::make_unique<Folder>(dir / "db", "", Folder::Pace::ordinary));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::size_t notes = 0;
  // Each note takes three pages or more, so there is always something to fold.
  while (writer.stats().checkpoints < 3 && std::chrono::steady_clock::now() < deadline) {
    for (int i = 0; i < 8; ++i) must(writer.submit(note(outcomes, std::to_string(++notes) + std::string(8000, 'x'))));
    outcomes.wait(notes - 7);  // some always wait
  }
  CHECK(writer.stats().checkpoints >= 3);
  const auto all = outcomes.wait(notes);
  CHECK(std::ranges::all_of(all, [](const auto& o) { return o.second.has_value(); }));
  writer.close();
  Database db = open_notes(dir / "db");
  CHECK(count_notes(db) == static_cast<int>(notes));
}
