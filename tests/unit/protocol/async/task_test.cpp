#include "protocol/async/task.hpp"

#include <catch2/catch.hpp>

#include "protocol/async/task_set.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::async;
using tests::LoopFixture;

namespace {

Task<int> give(int value) { co_return value; }

Task<std::int64_t> sum_of(int count) {
  std::int64_t sum = 0;
  for (int i = 0; i < count; ++i) {
    const int value = co_await give(1);
    sum += value;
  }
  co_return sum;
}

Task<int> fail_with(const char* what) {
  throw std::runtime_error(what);
  co_return 0;
}

struct Flag {
  bool* flag;
  ~Flag() { *flag = true; }
};

Task<> wait_holding(Event& event, bool& destroyed, bool& finished) {
  const Flag flag{&destroyed};
  co_await event.wait();
  finished = true;
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a million tasks that finish at once need no stack") {
  CHECK(loop.block_on(sum_of(1'000'000)) == 1'000'000);
}

TEST_CASE_METHOD(LoopFixture, "an exception reaches whoever awaits") {
  CHECK_THROWS_WITH(loop.block_on(fail_with("broken")), "broken");
}

TEST_CASE_METHOD(LoopFixture, "dropping a task set destroys frames that wait") {
  Event event(loop);
  bool destroyed = false;
  bool finished = false;
  {
    TaskSet set(loop);
    set.spawn(wait_holding(event, destroyed, finished));
    loop.run_until_idle();
    CHECK_FALSE(destroyed);
    CHECK(set.size() == 1);
  }
  CHECK(destroyed);
  event.set();
  loop.run_until_idle();
  CHECK_FALSE(finished);
}

TEST_CASE_METHOD(LoopFixture, "dropping a task that is ready but not yet resumed") {
  Event event(loop);
  bool destroyed = false;
  bool finished = false;
  TaskSet set(loop);
  set.spawn(wait_holding(event, destroyed, finished));
  loop.run_until_idle();
  event.set();  // now in the ready queue
  set.cancel_all();
  loop.run_until_idle();
  CHECK(destroyed);
  CHECK_FALSE(finished);
}

TEST_CASE_METHOD(LoopFixture, "dropping a task that was never started") {
  Event event(loop);
  bool destroyed = false;
  bool finished = false;
  TaskSet set(loop);
  set.spawn(wait_holding(event, destroyed, finished));
  set.cancel_all();
  loop.run_until_idle();
  CHECK_FALSE(finished);
}

TEST_CASE_METHOD(LoopFixture, "one task of a set is dropped and the others go on") {
  Event event(loop);
  std::array<bool, 3> destroyed{};
  std::array<bool, 3> finished{};
  TaskSet set(loop);
  set.spawn(wait_holding(event, destroyed[0], finished[0]));
  const TaskSet::Ticket second = set.spawn(wait_holding(event, destroyed[1], finished[1]));
  const TaskSet::Ticket unstarted = set.spawn(wait_holding(event, destroyed[2], finished[2]));
  set.cancel(unstarted);
  loop.run_until_idle();
  set.cancel(second);
  CHECK(destroyed == std::array{false, true, false});
  CHECK(set.size() == 1);
  event.set();
  loop.block_on(set.join());
  CHECK(finished == std::array{true, false, false});
}

TEST_CASE_METHOD(LoopFixture, "join completes when all tasks are through") {
  Event event(loop);
  bool destroyed = false;
  bool finished = false;
  TaskSet set(loop);
  set.spawn(wait_holding(event, destroyed, finished));
  loop.post([&] { event.set(); });
  loop.block_on(set.join());
  CHECK(finished);
  CHECK(set.size() == 0);
}
