#include "protocol/store/events.hpp"

#include "protocol/store/shipped.hpp"
#include "tests/unit/protocol/store/fixture.hpp"

using namespace swarm;
using namespace swarm::store;
using Catch::Matchers::Contains;

namespace {

constexpr StoreIdentity self() { return {.store_id = "me", .epoch = 3}; }

void append(Database& db, int count, std::int64_t time_us = 1) {
  for (int i = 0; i < count; ++i) must(append_event(db, self(), {time_us}, {.type = "test"}));
}

}  // namespace

TEST_CASE("an event comes back as it was written, with its origin") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  const auto written = must(
      append_event(db, self(), {42},
                   {.type = "sandbox.ready", .swarm = "swm_1", .sandbox = "s1", .data = std::string("\x80\0", 2)}));
  REQUIRE(written);
  CHECK(written->seq == 1);
  CHECK(written->origin == EventOrigin{"me", 3, 1});
  const auto read = must(read_events(db, self(), 1, 10));
  REQUIRE(read.size() == 1);
  CHECK(read.front() == *written);
}

TEST_CASE("events that another store ships twice are taken once") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  const NewEvent shipped{.type = "lock.taken", .origin = EventOrigin{"agentd", 1, 10}};
  CHECK(must(append_event(db, self(), {1}, shipped)));
  CHECK_FALSE(must(append_event(db, self(), {1}, shipped)));
  CHECK(must(append_event(db, self(), {1}, {.type = "x", .origin = EventOrigin{"agentd", 2, 1}})));  // a new epoch
  CHECK_FALSE(must(append_event(db, self(), {1}, {.type = "x", .origin = EventOrigin{"agentd", 1, 11}})));
  CHECK(must(last_from_origin(db, "agentd")) == EventOrigin{"agentd", 2, 1});
  CHECK(must(read_events(db, self(), {}, 10)).front().origin == EventOrigin{"agentd", 1, 10});
}

TEST_CASE("what another store has is let go, but for the newest, and numbers are not used again") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  CHECK(must(let_go_events(db, 5, 100)) == 0);
  append(db, 10, 1'000);
  CHECK(must(let_go_events(db, 6, 4)) == 4);  // no more than asked
  CHECK(must(let_go_events(db, 6, 100)) == 2);
  CHECK(must(let_go_events(db, 6, 100)) == 0);
  CHECK(must(let_go_events(db, 1'000, 100)) == 3);
  append(db, 1);
  CHECK(must(event_range(db)).oldest == 10);
  CHECK(must(event_range(db)).newest == 11);
}

TEST_CASE("retention by count and by age keeps a gapless end, and numbers are not used again") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  append(db, 10, 1'000);
  append(db, 10, 2'000);
  const EventRetention by_count{.max_count = 15, .max_age = std::chrono::days(1)};
  CHECK(must(prune_events(db, by_count, {3'000}, 3)) == 3);  // no more than asked
  CHECK(must(prune_events(db, by_count, {3'000}, 100)) == 2);
  const EventRetention by_age{.max_count = 100, .max_age = std::chrono::microseconds(1'500)};
  CHECK(must(prune_events(db, by_age, {3'000}, 100)) == 5);
  CHECK(must(event_range(db)).oldest == 11);
  const EventRetention nothing{.max_count = 0, .max_age = std::chrono::microseconds(0)};
  CHECK(must(prune_events(db, nothing, {9'000}, 100)) == 9);
  append(db, 1);
  CHECK(must(event_range(db)).newest == 21);
}

TEST_CASE("a number that is gone, or not yet there, is out of range") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  CHECK(must(read_events(db, self(), 1, 10)).empty());
  append(db, 10);
  must(prune_events(db, {.max_count = 4, .max_age = std::chrono::days(1)}, {2}, 100));
  const auto old = read_events(db, self(), 6, 10);
  REQUIRE_FALSE(old);
  CHECK(old.error().code == Code::out_of_range);
  CHECK_THAT(old.error().message, Contains("the oldest is 7"));
  CHECK(must(read_events(db, self(), 7, 10)).size() == 4);
  CHECK(must(read_events(db, self(), 11, 10)).empty());
  CHECK(read_events(db, self(), 12, 10).error().code == Code::out_of_range);
  CHECK(must(read_events(db, self(), {}, 2)).back().seq == 8);
}
