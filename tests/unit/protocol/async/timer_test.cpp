#include "protocol/async/timer.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "protocol/async/channel.hpp"
#include "protocol/async/fd.hpp"
#include "protocol/async/task_set.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::async;
using namespace std::chrono_literals;
using tests::FakeTimeFixture;

namespace {

Task<> note_after(Loop& loop, Duration delay, std::vector<int>& order, int mark) {
  co_await sleep_for(loop, delay);
  order.push_back(mark);
}

Task<Result<int>> answer_after(Loop& loop, Duration delay) {
  co_await sleep_for(loop, delay);
  co_return 42;
}

Task<> keep(Task<Result<int>> task, std::optional<Result<int>>& out) { out.emplace(co_await std::move(task)); }

Task<> hold_turn(Loop& loop, Turn& turn, Duration time, std::vector<int>& order, int mark) {
  const auto guard = co_await turn.take();
  order.push_back(mark);
  co_await sleep_for(loop, time);
}

Task<> produce(Channel<int>& channel, int count) {
  for (int i = 0; i < count; ++i) {
    const bool sent = co_await channel.send(i);
    if (!sent) co_return;
  }
  channel.close();
}

Task<> consume(Channel<int>& channel, std::vector<int>& out) {
  for (;;) {
    const std::optional<int> value = co_await channel.receive();
    if (!value) co_return;
    out.push_back(*value);
  }
}

/// Time goes on by a millisecond whenever somebody looks: between any two looks of the loop a timer may become due.
class RestlessClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() const override { return {now_ += 1ms}; }
  [[nodiscard]] WallTime wall() const override { return {}; }

 private:
  mutable Duration now_{std::chrono::hours(1)};
};

/// Works 10 us and gives way, again and again.
Task<> work_on(Loop& loop, FakeClock& clock, int& done, bool& enough) {
  while (!enough) {
    clock.advance(10us);
    ++done;
    co_await loop.give_way();
  }
}

/// Waits for one byte on `fd` and notes how much the others had done by then.
Task<> note_byte(Fd& fd, const int& done, std::optional<int>& seen) {
  std::array<std::byte, 1> byte{};
  const Result<std::size_t> got = co_await fd.read(byte);
  if (got && *got == 1) seen = done;
}

}  // namespace

TEST_CASE("a timer that becomes due just before the loop waits is not slept through") {
  const RestlessClock clock;
  Loop loop(clock);
  bool fired = false;
  std::atomic<bool> slept = false;
  Timer timer(loop);
  // Not due at the loop's first look, long due when it works out how long to wait.
  timer.start_at(clock.now() + 1500us, [&] {
    fired = true;
    loop.stop();
  });
  // Nothing else happens on this loop: only this thread would end its wait.
  std::mutex mutex;
  std::condition_variable over;
  bool done = false;
  std::thread watchdog([&] {
    std::unique_lock lock(mutex);
    if (over.wait_for(lock, 10s, [&] { return done; })) return;
    slept = true;
    loop.post_from_thread([&] { loop.stop(); });
  });
  loop.run();
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  over.notify_all();
  watchdog.join();
  CHECK(fired);
  CHECK_FALSE(slept);
}

TEST_CASE_METHOD(FakeTimeFixture, "a peer that asks for little waits for a slice of those that give way, not for all") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const UniqueFd peer(ends[1]);
  Fd ours(loop, UniqueFd(ends[0]));
  TaskSet tasks(loop);
  bool enough = false;
  int done = 0;
  std::optional<int> seen;
  tasks.spawn(note_byte(ours, done, seen));
  for (int i = 0; i < 500; ++i) tasks.spawn(work_on(loop, clock, done, enough));
  // It asks in the middle of their turns.
  int asked = 0;
  tasks.spawn([](Loop& on, int fd, const int& count, int& then) -> Task<> {
    co_await on.give_way();
    then = count;
    const ssize_t written = ::write(fd, "x", 1);
    CHECK(written == 1);
  }(loop, peer.get(), done, asked));
  for (int i = 0; i < 500; ++i) tasks.spawn(work_on(loop, clock, done, enough));
  loop.block_on([](Loop& on, const std::optional<int>& until) -> Task<> {
    while (!until) co_await on.yield();
  }(loop, seen));
  CHECK(*seen - asked <= 10);  // a slice is 100 us, ten of theirs
  enough = true;
  loop.run_until_idle();
}

TEST_CASE_METHOD(FakeTimeFixture, "those that give way take turns") {
  TaskSet tasks(loop);
  std::vector<int> turns(100);
  bool enough = false;
  const auto work = [](Loop& on, FakeClock& time, int& mine, const bool& stop) -> Task<> {
    while (!stop) {
      time.advance(30us);
      ++mine;
      co_await on.give_way();
    }
  };
  for (int& mine : turns) tasks.spawn(work(loop, clock, mine, enough));
  loop.block_on([](Loop& on, const int& last) -> Task<> {
    while (last < 20) co_await on.yield();
  }(loop, turns.back()));
  const auto [least, most] = std::ranges::minmax(turns);
  CHECK(most - least <= 1);
  enough = true;
  loop.run_until_idle();
}

TEST_CASE_METHOD(FakeTimeFixture, "timers fire in the order of their time, only when it has come") {
  std::vector<int> order;
  TaskSet set(loop);
  set.spawn(note_after(loop, 30s, order, 3));
  set.spawn(note_after(loop, 10s, order, 1));
  set.spawn(note_after(loop, 20s, order, 2));
  advance(9s);
  CHECK(order.empty());
  advance(11s);
  CHECK(order == std::vector{1, 2});
  advance(10s);
  CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(FakeTimeFixture, "a deadline drops the work and names it") {
  std::optional<Result<int>> out;
  TaskSet set(loop);
  set.spawn(keep(with_timeout(loop, answer_after(loop, 10s), 5s, "agent"), out));
  advance(5s);
  REQUIRE(out);
  REQUIRE_FALSE(out->has_value());
  CHECK(out->error().code == Code::deadline_exceeded);
  CHECK(out->error().message == "agent: no answer within 5000 ms");
  CHECK_FALSE(loop.next_timer());  // the dropped work left no timer behind
}

TEST_CASE_METHOD(FakeTimeFixture, "work within its deadline gives its result") {
  std::optional<Result<int>> out;
  TaskSet set(loop);
  set.spawn(keep(with_timeout(loop, answer_after(loop, 4s), 5s, "agent"), out));
  advance(5s);
  REQUIRE(out);
  CHECK(out->value() == 42);
}

TEST_CASE_METHOD(FakeTimeFixture, "a timer may destroy itself in its call") {
  auto timer = std::make_unique<Timer>(loop);
  timer->start_after(1s, [&] { timer.reset(); });
  advance(1s);
  CHECK_FALSE(timer);
}

TEST_CASE_METHOD(FakeTimeFixture, "turns are given in order, also past a dropped waiter") {
  Turn turn(loop);
  std::vector<int> order;
  TaskSet first(loop);
  TaskSet dropped(loop);
  TaskSet last(loop);
  first.spawn(hold_turn(loop, turn, 10s, order, 1));
  loop.run_until_idle();
  dropped.spawn(hold_turn(loop, turn, 10s, order, 2));
  loop.run_until_idle();
  last.spawn(hold_turn(loop, turn, 10s, order, 3));
  advance(1s);
  CHECK(order == std::vector{1});

  SECTION("dropped while waiting") {
    dropped.cancel_all();
    advance(10s);
    CHECK(order == std::vector{1, 3});
  }
  SECTION("dropped after it was handed the turn") {
    first.cancel_all();  // hands over to the second, which has not run yet
    dropped.cancel_all();
    advance(1s);
    CHECK(order == std::vector{1, 3});
  }
}

TEST_CASE_METHOD(FakeTimeFixture, "a full channel makes the sender wait and nothing is lost") {
  Channel<int> channel(loop, 2);
  std::vector<int> out;
  TaskSet set(loop);
  set.spawn(produce(channel, 100));
  loop.run_until_idle();
  CHECK(channel.size() == 2);
  set.spawn(consume(channel, out));
  loop.run_until_idle();
  CHECK(out.size() == 100);
  CHECK(set.size() == 0);
}
