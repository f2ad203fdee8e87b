#include "protocol/store/store.hpp"

#include <filesystem>

#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/store/folding.hpp"
#include "protocol/store/maintenance.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/unit/protocol/store/jobs.hpp"

using namespace swarm;
using namespace swarm::store;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using test::FaultAction;
using test::FaultOp;
using test::FaultVfs;

namespace {

struct StoreFixture : tests::LoopFixture {
  test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  SeededRandom random{1};

  std::unique_ptr<Store> open(WriterOptions writer = {}, const std::string& vfs = {}) {
    if (!vfs.empty()) FaultVfs::instance();
    const std::array domains = {kNotesDomain};
    return must(Store::open(
        loop, {.path = dir / "state/db", .identity = kTestIdentity, .writer = writer, .waiting_limit = 8, .vfs = vfs},
        domains, random));
  }
};

async::Task<Result<std::int64_t>> add_note(Store& store, std::string text, Durability durability) {
  auto written = co_await store.write("notes.add", durability, [text](Changes& c) -> Result<std::int64_t> {
    if (auto done = c.db().run(kInsertNote, text); !done) return fail(done.error());
    auto seq = c.append({.type = "note.added", .data = text});
    if (!seq) return fail(seq.error());
    return seq->value();
  });
  co_return written;
}

async::Task<> keep(async::Task<Result<std::int64_t>> task, std::vector<Result<std::int64_t>>& out) {
  auto result = co_await std::move(task);
  out.push_back(std::move(result));
}

async::Task<Result<std::int64_t>> read_count(Store& store) {
  return store.read([](Database& db) -> Result<std::int64_t> { return count_notes(db); });
}

/// Lets tasks that were spawned begin, without waiting for work on other threads.
async::Task<> some_rounds(async::Loop& loop) {
  for (int i = 0; i < 4; ++i) co_await loop.yield();
}

/// A job that holds the writer until the gate opens.
async::Task<> hold(Store& store, Gate& gate) {
  auto held = co_await store.write("gate", Durability::process, [&gate](Changes&) -> Result<void> {
    gate.enter();
    return {};
  });
  CHECK(held);
}

async::Task<> hold_and_add(Store& store, Gate& gate) {
  auto held = co_await store.write("gate", Durability::process, [&gate](Changes& c) -> Result<void> {
    if (auto done = c.db().run(kInsertNote, "held"); !done) return done;
    if (auto event = c.append({.type = "held"}); !event) return fail(event.error());
    gate.enter();
    return {};
  });
  CHECK(held);
}

async::Task<> wait_for(async::Event& event) { co_await event.wait(); }

}  // namespace

TEST_CASE_METHOD(StoreFixture, "a write completes after its commit, with its result and its event") {
  const auto store = open();
  std::vector<std::int64_t> seen;
  const Subscription subscription = store->subscribe([&](const std::vector<Event>& events) {
    for (const Event& e : events) seen.push_back(e.seq);
  });
  CHECK(must(loop.block_on(add_note(*store, "one", Durability::power))) == 1);
  CHECK(must(loop.block_on(add_note(*store, "two", Durability::process))) == 2);
  CHECK(seen == std::vector<std::int64_t>{1, 2});
  CHECK(count_notes(store->reader()) == 2);
  CHECK(must(loop.block_on(read_count(*store))) == 2);
  const auto events = must(loop.block_on(store->events(2, 10)));
  REQUIRE(events.size() == 1);
  CHECK(events.front().data == "two");
  CHECK(events.front().origin == EventOrigin{store->identity().store_id, 1, 2});
  CHECK(must(loop.block_on(store->check_integrity())).empty());
}

TEST_CASE_METHOD(StoreFixture, "a write that fails gives its own error, and leaves nothing") {
  const auto store = open();
  must(loop.block_on(add_note(*store, "one", Durability::process)));
  CHECK(loop.block_on(add_note(*store, "one", Durability::process)).error().code == Code::already_exists);
  CHECK(must(loop.block_on(store->events({}, 10))).size() == 1);
}

TEST_CASE_METHOD(StoreFixture, "a write that is dropped before it begins is not made, one in the queue behind it is") {
  const auto store = open();
  Gate gate;
  std::vector<Result<std::int64_t>> kept;
  async::TaskSet others(loop);
  {
    async::TaskSet set(loop);
    others.spawn(hold(*store, gate));
    loop.block_on(some_rounds(loop));
    gate.wait_until_entered();
    set.spawn(keep(add_note(*store, "dropped", Durability::process), kept));
    others.spawn(keep(add_note(*store, "kept", Durability::process), kept));
    loop.block_on(some_rounds(loop));
  }
  gate.open();
  loop.block_on(others.join());
  must(loop.block_on(store->drain()));
  REQUIRE(kept.size() == 1);
  CHECK(must(store->reader().all<std::string>(kListNotes)) == std::vector<std::tuple<std::string>>{{"kept"}});
}

TEST_CASE_METHOD(StoreFixture, "a full queue makes callers wait in order, and too many are refused") {
  const auto store = open({.queue_limit = 2});
  Gate gate;
  std::vector<Result<std::int64_t>> done;
  async::TaskSet set(loop);
  set.spawn(hold(*store, gate));
  loop.block_on(some_rounds(loop));
  gate.wait_until_entered();
  for (int i = 0; i < 12; ++i) set.spawn(keep(add_note(*store, std::to_string(i), Durability::process), done));
  loop.block_on(some_rounds(loop));
  REQUIRE(done.size() == 2);  // 2 in the queue, 8 wait
  CHECK(done[0].error().code == Code::resource_exhausted);
  gate.open();
  loop.block_on(set.join());
  REQUIRE(done.size() == 12);
  for (std::size_t i = 0; i < 10; ++i) CHECK(must(std::move(done[i + 2])) == static_cast<std::int64_t>(i) + 1);
}

TEST_CASE_METHOD(StoreFixture, "a reader sees one snapshot and does not wait for the writer") {
  const auto store = open();
  must(loop.block_on(add_note(*store, "one", Durability::process)));
  Gate writing;
  async::TaskSet set(loop);
  set.spawn(hold(*store, writing));
  loop.block_on(some_rounds(loop));
  writing.wait_until_entered();  // the writer is inside its transaction
  CHECK(must(loop.block_on(read_count(*store))) == 1);
  CHECK(count_notes(store->reader()) == 1);
  writing.open();
  loop.block_on(set.join());

  Gate reading;
  std::vector<Result<std::int64_t>> counts;
  set.spawn(keep(store->read([&reading](Database& db) -> Result<std::int64_t> {
    const std::int64_t before = count_notes(db);
    reading.enter();
    return before == count_notes(db) ? before : -1;
  }),
                 counts));
  loop.block_on(some_rounds(loop));
  reading.wait_until_entered();
  must(loop.block_on(add_note(*store, "two", Durability::process)));
  reading.open();
  loop.block_on(set.join());
  CHECK(must(std::move(counts.at(0))) == 1);
}

TEST_CASE_METHOD(StoreFixture, "a write that is dropped while it runs is committed, and its event is told") {
  const auto store = open();
  int told = 0;
  const Subscription subscription = store->subscribe([&](const std::vector<Event>&) { ++told; });
  Gate gate;
  {
    async::TaskSet set(loop);
    set.spawn(hold_and_add(*store, gate));
    loop.block_on(some_rounds(loop));
    gate.wait_until_entered();
  }
  gate.open();
  must(loop.block_on(store->drain()));
  CHECK(count_notes(store->reader()) == 1);
  CHECK(told == 1);
}

TEST_CASE_METHOD(StoreFixture, "a read that fails says why, and one that is dropped ends on its own") {
  const auto store = open();
  const auto failed = loop.block_on(store->read([](Database& db) -> Result<std::int64_t> {
    const auto row = db.one<std::int64_t>({"test.nowhere", "SELECT a FROM nowhere"});
    if (!row) return fail(row.error());
    return 0;
  }));
  CHECK_THAT(failed.error().message, Contains("test.nowhere: no such table: nowhere"));
  Gate gate;
  std::vector<Result<std::int64_t>> out;
  {
    async::TaskSet set(loop);
    set.spawn(keep(store->read([&gate](Database& db) -> Result<std::int64_t> {
      gate.enter();
      return count_notes(db);
    }),
                   out));
    loop.block_on(some_rounds(loop));
    gate.wait_until_entered();
  }
  gate.open();
  loop.run_until_idle();
  CHECK(out.empty());
}

TEST_CASE_METHOD(StoreFixture, "what was written is there after the store was closed, under the same identity") {
  std::string id;
  {
    const auto store = open();
    id = store->identity().store_id;
    async::TaskSet set(loop);
    std::vector<Result<std::int64_t>> done;
    for (int i = 0; i < 50; ++i) set.spawn(keep(add_note(*store, std::to_string(i), Durability::power), done));
    loop.block_on(set.join());
  }
  const auto store = open();
  CHECK(store->identity().store_id == id);
  CHECK(store->migrated().applied == 0);
  CHECK(count_notes(store->reader()) == 50);
}

TEST_CASE_METHOD(StoreFixture, "callers that still wait when the store closes are told") {
  auto store = open({.queue_limit = 1});
  Gate gate;
  std::vector<Result<std::int64_t>> done;
  async::TaskSet set(loop);
  set.spawn(hold(*store, gate));
  loop.block_on(some_rounds(loop));
  gate.wait_until_entered();
  set.spawn(keep(add_note(*store, "queued", Durability::process), done));
  set.spawn(keep(add_note(*store, "waiting", Durability::process), done));
  loop.block_on(some_rounds(loop));
  gate.open();
  store.reset();
  loop.block_on(set.join());
  REQUIRE(done.size() == 2);
  const auto closed =
      std::ranges::count_if(done, [](const auto& d) { return !d && d.error().code == Code::unavailable; });
  CHECK(closed == 1);
}

TEST_CASE_METHOD(StoreFixture, "a store that is open is not opened again") {
  const auto store = open();
  const std::array domains = {kNotesDomain};
  const auto second = Store::open(loop, {.path = dir / "state/db", .identity = kTestIdentity}, domains, random);
  REQUIRE_FALSE(second);
  CHECK_THAT(second.error().message, Contains("another process has this store open"));
}

TEST_CASE_METHOD(StoreFixture, "a copy is made while the writer is inside a transaction, and is restored") {
  auto store = open();
  must(loop.block_on(add_note(*store, "one", Durability::process)));
  Gate gate;
  async::TaskSet set(loop);
  set.spawn(hold(*store, gate));
  loop.block_on(some_rounds(loop));
  gate.wait_until_entered();
  must(loop.block_on(store->backup_to(dir / "copy")));
  gate.open();
  loop.block_on(set.join());
  CHECK(loop.block_on(store->backup_to(dir / "copy")).error().code == Code::already_exists);
  CHECK_FALSE(loop.block_on(store->backup_to(dir / "nowhere/copy")));
  must(loop.block_on(add_note(*store, "two", Durability::process)));
  store.reset();
  must(restore(dir / "copy", dir / "state/db", kTestIdentity));
  store = open();
  CHECK(count_notes(store->reader()) == 1);
  CHECK(store->identity().epoch == 2);
}

TEST_CASE_METHOD(StoreFixture, "a full disk is told to the caller and to those who watch the health") {
  const auto store = open({.retry_interval = 5ms}, test::kFaultVfs);
  std::vector<Health::State> states;
  async::Event well(loop);
  const Subscription subscription = store->on_health([&](const Health& health) {
    states.push_back(health.state);
    if (health.state == Health::State::ok) well.set();
  });
  must(loop.block_on(add_note(*store, "before", Durability::power)));
  FaultVfs::instance().plan(FaultOp::write, FaultAction::no_space, 1, FaultVfs::Lasting::yes);
  const auto failed = loop.block_on(add_note(*store, "lost", Durability::power));
  FaultVfs::instance().clear();
  CHECK(failed.error().code == Code::resource_exhausted);
  CHECK_THAT(failed.error().message, Contains("SQLITE_FULL") && Contains("free space"));
  loop.block_on(wait_for(well));
  CHECK(states == std::vector{Health::State::degraded, Health::State::ok});
  must(loop.block_on(add_note(*store, "after", Durability::power)));
  CHECK(count_notes(store->reader()) == 2);
}

namespace {

async::Task<> until_folded(async::Loop& loop, std::filesystem::path file, std::uintmax_t size, bool& folded) {
  for (int i = 0; i < 6000 && !folded; ++i) {
    co_await async::sleep_for(loop, 10ms);
    folded = std::filesystem::file_size(file) >= size;
  }
}

}  // namespace

TEST_CASE_METHOD(StoreFixture, "the log is folded beside a writer that does not do it, and begins anew") {
  const auto store = open({.checkpoint_frames = 1'000'000});
  const std::filesystem::path file = dir / "state/db";
  const std::filesystem::path log = dir / "state/db-wal";
  async::TaskSet tasks(loop);
  tasks.spawn(fold_aside(loop, *store, "", 5ms));
  int notes = 0;
  const auto write = [&] {
    must(loop.block_on(add_note(*store, std::to_string(++notes) + std::string(100'000, 'x'), Durability::process)));
  };
  while (notes < 10) write();
  bool folded = false;
  loop.block_on(until_folded(loop, file, 1'000'000, folded));
  CHECK(folded);
  // Once all of it is folded, what is written goes to its beginning: it stays as long as it was.
  int as_long = 0;
  while (as_long < 3 && notes < 1000) {
    const std::uintmax_t before = std::filesystem::file_size(log);
    write();
    as_long = std::filesystem::file_size(log) == before ? as_long + 1 : 0;
    loop.block_on(async::sleep_for(loop, 10ms));
  }
  CHECK(as_long == 3);
  CHECK(store->stats().checkpoints == 0);
  tasks.cancel_all();
}
