#include "daemon/sandbox/capacity.hpp"

#include <fmt/format.h>

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "daemon/sandbox/breaker.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::sandbox;
using namespace std::chrono_literals;

namespace {

/// One who asks for a place, holds it for a while, and gives it back.
struct Visitor {
  Claimant who;
  Duration patience{0};
  Duration stay{0};
  std::optional<Result<bool>> got;
};

async::Task<> visit(async::Loop& loop, Capacity& capacity, Visitor& visitor, std::vector<int>& order, int number) {
  Result<Reservation> place = co_await capacity.acquire(visitor.who, visitor.patience);
  if (!place) {
    visitor.got = Result<bool>(fail(place.error()));
    co_return;
  }
  order.push_back(number);
  visitor.got = Result<bool>(true);
  co_await async::sleep_for(loop, visitor.stay);
}

struct World : tests::FakeTimeFixture {
  Capacity capacity{loop, {.total = 3, .providers = {{"a", 2}}}};
  std::vector<int> order;
  std::list<Visitor> visitors;
  async::TaskSet tasks{loop};

  Visitor& come(Claimant who, Duration patience, Duration stay) {
    visitors.push_back({.who = std::move(who), .patience = patience, .stay = stay, .got = {}});
    tasks.spawn(visit(loop, capacity, visitors.back(), order, static_cast<int>(visitors.size())));
    loop.run_until_idle();
    return visitors.back();
  }
};

}  // namespace

TEST_CASE_METHOD(World, "a full provider refuses at once who does not want to wait") {
  come({.provider = "a"}, 0s, 10s);
  come({.provider = "a"}, 0s, 10s);
  const Visitor& third = come({.provider = "a"}, 0s, 10s);
  REQUIRE(third.got);
  CHECK(third.got->error().code == Code::resource_exhausted);
  CHECK(third.got->error().message.find("2 of 2 sandboxes of provider 'a'") != std::string::npos);
  const Visitor& other = come({.provider = "b"}, 0s, 10s);
  CHECK(other.got->has_value());
}

TEST_CASE_METHOD(World, "the line is served by priority, then in order; deadlines hold") {
  come({.provider = "a"}, 0s, 10s);
  come({.provider = "a"}, 0s, 20s);
  come({.provider = "a"}, 60s, 1s);
  const Visitor& impatient = come({.provider = "a"}, 5s, 1s);
  come({.provider = "a", .priority = 5}, 60s, 1s);
  come({.provider = "a"}, 60s, 1s);
  advance(6s);
  REQUIRE(impatient.got);
  CHECK(impatient.got->error().code == Code::deadline_exceeded);
  advance(60s);
  CHECK(order == std::vector{1, 2, 5, 3, 6});
  CHECK(capacity.used() == 0);
}

TEST_CASE_METHOD(World, "a newcomer does not pass those who wait") {
  come({.provider = "a"}, 0s, 10s);
  come({.provider = "a"}, 0s, 10s);
  come({.provider = "a"}, 60s, 10s);
  capacity.set_limits({.total = 3, .providers = {{"a", 2}}, .templates = {{"t", 0}}});
  const Visitor& newcomer = come({.provider = "a"}, 0s, 10s);
  CHECK(newcomer.got->error().code == Code::resource_exhausted);
}

TEST_CASE_METHOD(World, "whoever gives up while waiting leaves the line moving") {
  come({.provider = "a"}, 0s, 10s);
  come({.provider = "a"}, 0s, 10s);
  {
    async::TaskSet gone(loop);
    Visitor visitor{.who = {.provider = "a"}, .patience = 60s, .stay = 1s, .got = {}};
    gone.spawn(visit(loop, capacity, visitor, order, 99));
    loop.run_until_idle();
    CHECK(capacity.waiting() == 1);
  }
  CHECK(capacity.waiting() == 0);
  const Visitor& next = come({.provider = "a"}, 60s, 1s);
  advance(11s);
  CHECK(next.got->has_value());
}

TEST_CASE("no interleaving overshoots a limit, and everybody is served or told") {
  rc::prop("capacity", [] {
    tests::FakeTimeFixture world;
    const auto limit = *rc::gen::inRange<std::uint64_t>(1, 5);
    const auto total = *rc::gen::inRange<std::uint64_t>(1, 9);
    Capacity capacity(world.loop, {.total = total, .providers = {{"p0", limit}, {"p1", 3}}, .templates = {{"t1", 2}}});
    std::list<Visitor> visitors;
    std::vector<int> order;
    std::map<int, std::vector<int>> asked;  // by priority, for one provider and template
    async::TaskSet tasks(world.loop);
    const int count = *rc::gen::inRange(1, 60);
    for (int i = 0; i < count; ++i) {
      visitors.push_back({.who = {.provider = fmt::format("p{}", *rc::gen::inRange(0, 2)),
                                  .template_name = fmt::format("t{}", *rc::gen::inRange(0, 2)),
                                  .priority = *rc::gen::inRange(0, 2)},
                          .patience = std::chrono::seconds(*rc::gen::inRange(0, 30)),
                          .stay = std::chrono::seconds(*rc::gen::inRange(0, 10)),
                          .got = {}});
      tasks.spawn(visit(world.loop, capacity, visitors.back(), order, i));
      world.loop.run_until_idle();
      RC_ASSERT(capacity.used("p0") <= limit);
      RC_ASSERT(capacity.used("p1") <= 3U);
      RC_ASSERT(capacity.used() <= total);
      world.advance(std::chrono::seconds(*rc::gen::inRange(0, 3)));
      RC_ASSERT(capacity.used("p0") <= limit);
      RC_ASSERT(capacity.used("p1") <= 3U);
      RC_ASSERT(capacity.used() <= total);
    }
    world.advance(100s);
    for (const Visitor& visitor : visitors) RC_ASSERT(visitor.got.has_value());
    RC_ASSERT(capacity.used() == 0U);
    RC_ASSERT(capacity.waiting() == 0U);
  });
}

TEST_CASE("within a priority the order of asking is the order of being served") {
  rc::prop("FIFO", [] {
    tests::FakeTimeFixture world;
    Capacity capacity(world.loop, {.total = 100, .providers = {{"p", *rc::gen::inRange<std::uint64_t>(1, 4)}}});
    std::list<Visitor> visitors;
    std::vector<int> order;
    async::TaskSet tasks(world.loop);
    const int count = *rc::gen::inRange(1, 40);
    for (int i = 0; i < count; ++i) {
      visitors.push_back({.who = {.provider = "p", .priority = *rc::gen::inRange(0, 3)},
                          .patience = 1h,
                          .stay = std::chrono::seconds(*rc::gen::inRange(1, 10)),
                          .got = {}});
      tasks.spawn(visit(world.loop, capacity, visitors.back(), order, i));
      world.loop.run_until_idle();
    }
    world.advance(1h);
    RC_ASSERT(order.size() == static_cast<std::size_t>(count));
    std::map<int, int> last;
    std::vector<Visitor*> by_number;
    for (Visitor& visitor : visitors) by_number.push_back(&visitor);
    for (const int number : order) {
      const int priority = by_number.at(static_cast<std::size_t>(number))->who.priority;
      RC_ASSERT(!last.contains(priority) || last[priority] < number);
      last[priority] = number;
    }
  });
}

TEST_CASE("a breaker opens after failures in a row, and one request tries it again") {
  FakeClock clock;
  Breaker breaker(clock, {.failures_to_open = 3, .first_pause = 5s, .longest_pause = 12s});
  breaker.failed();
  breaker.succeeded();
  breaker.failed();
  breaker.failed();
  CHECK(breaker.state() == Breaker::State::closed);
  breaker.failed();
  CHECK(breaker.state() == Breaker::State::open);
  CHECK_FALSE(breaker.allow());
  clock.advance(5s);
  CHECK(breaker.state() == Breaker::State::half_open);
  CHECK(breaker.allow());
  CHECK_FALSE(breaker.allow());  // one probe at a time
  breaker.failed();
  CHECK_FALSE(breaker.allow());
  clock.advance(9s);
  CHECK_FALSE(breaker.allow());  // the second pause is 10 s
  clock.advance(1s);
  CHECK(breaker.allow());
  breaker.failed();
  clock.advance(12s);  // the third would be 20 s, and is capped
  CHECK(breaker.allow());
  breaker.succeeded();
  CHECK(breaker.state() == Breaker::State::closed);
}
