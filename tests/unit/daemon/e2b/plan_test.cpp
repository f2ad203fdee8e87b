// The limiter of those who ask, against the count of the one who is asked: the endpoint's own.

#include "daemon/e2b/faults.hpp"
#include "daemon/limits/limiter.hpp"
#include "tests/fixtures/loop_fixture.hpp"

namespace swarm::tests {
namespace {

using namespace std::chrono_literals;

struct PlanRig : FakeTimeFixture {
  e2b_endpoint::Faults service{loop};
  SeededRandom random{13};
  std::size_t arrived = 0;

  /// As a create goes: leave, the way there (longer for some), the service's count.
  async::Task<> create(limits::Limiter& limiter, Duration jitter) {
    const Result<std::uint64_t> leave = co_await limiter.acquire({});
    if (!leave) co_return;
    co_await async::sleep_for(loop, jitter);
    static_cast<void>(service.take_create());
    ++arrived;
  }

  std::uint64_t refused(std::size_t creates, Duration guard) {
    REQUIRE(service.set({.creates_a_second = 1}));
    limits::Limiter limiter(loop, "provider/e2b/create",
                            {.rate = Rate{1, 1s}, .guard = guard, .queue = static_cast<std::uint32_t>(creates)}, 1,
                            [](limits::Notice) {});
    async::TaskSet tasks(loop);
    arrived = 0;
    for (std::size_t i = 0; i < creates; ++i) {
      tasks.spawn(create(limiter, std::chrono::microseconds(random.below(200'000))));
    }
    advance(std::chrono::seconds(2 * creates));
    REQUIRE(arrived == creates);
    return service.refused().too_fast;
  }
};

}  // namespace

TEST_CASE_METHOD(PlanRig, "a thousand creates at a plan's limit, 200 ms of jitter on the way, and none is refused") {
  CHECK(refused(1000, 200ms) == 0);
}

TEST_CASE_METHOD(PlanRig, "without a guard for the jitter the service refuses") { CHECK(refused(200, 0ms) > 0); }

TEST_CASE_METHOD(PlanRig, "a create that comes too soon is told when to come again") {
  REQUIRE(service.set({.creates_a_second = 2}));
  CHECK(!service.take_create());
  advance(100ms);
  CHECK(service.take_create() == Duration(400ms));
  advance(400ms);
  CHECK(!service.take_create());
  REQUIRE(service.set({}));
  CHECK(!service.take_create());
  CHECK(!service.take_create());
}

}  // namespace swarm::tests
