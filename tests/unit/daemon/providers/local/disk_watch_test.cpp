#include "daemon/providers/local/disk_watch.hpp"

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::local;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::uint64_t kFree = 100'000 * kMiB;

/// A watch over sandboxes whose files are numbers.
struct Watching {
  DiskWatch watch;
  FakeClock clock;
  std::uint64_t free = kFree;
  std::map<std::string, std::uint64_t> holds;

  void add(const std::string& id, std::uint64_t limit) {
    holds[id] = 0;
    watch.add(id, limit, free, clock.now());
  }
  void write(const std::string& id, std::uint64_t bytes) {
    holds[id] += bytes;
    free -= bytes;
  }
  std::vector<std::string> due(std::size_t most = 100) {
    std::vector<std::string> ids;
    for (const auto& each : watch.due(clock.now(), free, most)) ids.push_back(each.id);
    return ids;
  }
  DiskWatch::Verdict count(const std::string& id, Duration took = 1ms, bool whole = true) {
    const MonoTime begun = clock.now();
    clock.advance(took);
    return watch.counted(id, Measured{.bytes = holds.at(id), .entries = 1, .whole = whole}, begun, clock.now());
  }
  /// A second passes: ids of those that are over.
  std::vector<std::string> tick() {
    clock.advance(DiskWatch::kEvery);
    std::vector<std::string> over;
    for (const auto& id : due()) {
      if (count(id).over) over.push_back(id);
    }
    return over;
  }
};

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(Watching, "nobody is counted while there is room for all that was written") {
  add("a", 100 * kMiB);
  write("a", 99 * kMiB);
  clock.advance(1s);
  CHECK(due().empty());
  write("a", 2 * kMiB);
  CHECK(due() == Ids{"a"});
  CHECK(due().empty());  // it is being counted
  const auto verdict = count("a");
  CHECK(verdict.over);
  CHECK(verdict.bytes == 101 * kMiB);
  CHECK(verdict.limit == 100 * kMiB);
}

TEST_CASE_METHOD(Watching, "where it cannot be told what is free, all are counted, and none is forgotten for it") {
  add("a", 100 * kMiB);
  write("a", 50 * kMiB);
  clock.advance(1s);
  const auto blind = watch.due(clock.now(), std::nullopt, 100);
  REQUIRE(blind.size() == 1);
  CHECK(blind[0].suspected);
  CHECK_FALSE(count("a").over);
  // What was free before still says what has been written since.
  write("a", 60 * kMiB);
  CHECK(tick() == Ids{"a"});
}

TEST_CASE_METHOD(Watching, "what others write makes a sandbox suspect, and a count clears it") {
  add("a", 100 * kMiB);
  free -= 101 * kMiB;
  CHECK(tick().empty());
  clock.advance(1s);
  CHECK(due().empty());
  free -= 101 * kMiB;
  CHECK(due() == Ids{"a"});
}

TEST_CASE_METHOD(Watching, "what was written while it was counted is not forgotten") {
  add("a", 100 * kMiB);
  write("a", 90 * kMiB);
  free -= 20 * kMiB;
  REQUIRE(due() == Ids{"a"});
  free -= 15 * kMiB;  // by the sandbox, behind the back of the count
  CHECK_FALSE(count("a").over);
  clock.advance(1s);
  CHECK(due() == Ids{"a"});
}

TEST_CASE_METHOD(Watching, "room that others make hides a sandbox for a minute at most") {
  add("a", 100 * kMiB);
  write("a", 150 * kMiB);
  free = kFree;
  clock.advance(59s);
  CHECK(due().empty());
  clock.advance(1s);
  const auto found = watch.due(clock.now(), free, 1);
  REQUIRE(found.size() == 1);
  CHECK_FALSE(found.front().suspected);
  SECTION("and it is over") { CHECK(count("a").over); }
  SECTION("unless it has not run since") {
    watch.passed_by("a", clock.now());
    clock.advance(59s);
    CHECK(due().empty());
    clock.advance(1s);
    CHECK(due() == Ids{"a"});
  }
}

TEST_CASE_METHOD(Watching, "one that was found is counted first") {
  holds["a"] = 101 * kMiB;
  watch.add("a", 100 * kMiB, std::nullopt, clock.now());
  CHECK(tick() == Ids{"a"});
}

TEST_CASE_METHOD(Watching, "one that was found standing still above its limit may make room, too") {
  holds["a"] = 150 * kMiB;
  watch.add("a", 100 * kMiB, std::nullopt, clock.now());
  watch.stand("a");
  CHECK(tick().empty());
  watch.go_on("a");
  CHECK(tick().empty());
  write("a", 17 * kMiB);
  CHECK(tick() == Ids{"a"});
}

TEST_CASE_METHOD(Watching, "one that was found and got another limit is held to that") {
  holds["a"] = 150 * kMiB;
  watch.add("a", 100 * kMiB, std::nullopt, clock.now());
  watch.stand("a");
  watch.set_limit("a", 140 * kMiB);
  watch.go_on("a");
  CHECK(tick() == Ids{"a"});
}

TEST_CASE_METHOD(Watching, "large trees are counted for a tenth of the time") {
  add("a", 100 * kMiB);
  write("a", 90 * kMiB);
  free -= 20 * kMiB;
  REQUIRE(due() == Ids{"a"});
  CHECK_FALSE(count("a", 10s).over);
  free -= 20 * kMiB;
  clock.advance(89s);
  CHECK(due().empty());
  clock.advance(1s);
  CHECK(due() == Ids{"a"});
}

TEST_CASE_METHOD(Watching, "those that wait longest go first, a few at once") {
  for (const auto* id : {"a", "b", "c"}) {
    add(id, 100 * kMiB);
    clock.advance(1ms);
  }
  free -= 200 * kMiB;
  CHECK(due(2) == Ids{"a", "b"});
  CHECK(due(2) == Ids{"c"});
  CHECK_FALSE(count("a").over);
  free -= 200 * kMiB;
  clock.advance(1s);
  CHECK(due(2) == Ids{"a"});
}

TEST_CASE_METHOD(Watching,
                 "one that goes on above its limit may write a little more, and then no more than the limit") {
  add("a", 100 * kMiB);
  write("a", 150 * kMiB);
  REQUIRE(tick() == Ids{"a"});
  watch.stand("a");
  CHECK(tick().empty());
  watch.go_on("a");
  CHECK(tick().empty());
  SECTION("more is too much") {
    write("a", 15 * kMiB);
    CHECK(tick().empty());
    write("a", 2 * kMiB);
    CHECK(tick() == Ids{"a"});
  }
  SECTION("with room made the limit holds again") {
    holds["a"] = 50 * kMiB;
    clock.advance(DiskWatch::kAtLatest);
    CHECK(tick().empty());
    write("a", 51 * kMiB);
    CHECK(tick() == Ids{"a"});
  }
  SECTION("another limit takes its place") {
    watch.set_limit("a", 200 * kMiB);
    write("a", 50 * kMiB);
    CHECK(tick().empty());
    write("a", 1);
    CHECK(tick() == Ids{"a"});
  }
  SECTION("a lower one holds at once") {
    watch.set_limit("a", 140 * kMiB);
    CHECK(tick() == Ids{"a"});
  }
}

TEST_CASE_METHOD(Watching, "what cannot be counted to its end is over") {
  add("a", 100 * kMiB);
  free -= 101 * kMiB;
  REQUIRE(due() == Ids{"a"});
  const auto verdict = count("a", 60s, false);
  CHECK(verdict.over);
  CHECK_FALSE(verdict.whole);
}

TEST_CASE_METHOD(Watching, "a count that fails is tried again, not at once") {
  add("a", 100 * kMiB);
  write("a", 101 * kMiB);
  REQUIRE(due() == Ids{"a"});
  CHECK_FALSE(watch.counted("a", std::nullopt, clock.now(), clock.now()).over);
  clock.advance(1s);
  CHECK(due().empty());
  clock.advance(5s);
  CHECK(due() == Ids{"a"});
}

TEST_CASE_METHOD(Watching, "one that stood still or went while it was counted is not over") {
  add("a", 100 * kMiB);
  write("a", 101 * kMiB);
  REQUIRE(due() == Ids{"a"});
  SECTION("still") { watch.stand("a"); }
  SECTION("gone") { watch.remove("a"); }
  CHECK_FALSE(count("a").over);
}
