#include "daemon/limits/limiter.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "protocol/async/task_set.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::limits;
using namespace std::chrono_literals;
using tests::FakeTimeFixture;

namespace {

struct Served {
  std::string swarm;
  int number = 0;
  Priority priority = Priority::normal;
  MonoTime at;
  std::uint64_t admission = 0;
  std::optional<Code> error;
};

async::Task<> ask_for(Limiter& limiter, async::Loop& loop, Ask ask, int number, std::vector<Served>& out) {
  Served served{.swarm = ask.swarm, .number = number, .priority = ask.priority};
  const Result<std::uint64_t> admission = co_await limiter.acquire(std::move(ask));
  served.at = loop.clock().now();
  if (admission) {
    served.admission = *admission;
  } else {
    served.error = admission.error().code;
  }
  out.push_back(served);
}

struct Rig : FakeTimeFixture {
  std::vector<Notice> notices;
  std::vector<Served> served;

  std::unique_ptr<Limiter> make(Spec spec, std::uint32_t speed = 1) {
    return std::make_unique<Limiter>(loop, "test/limit", std::move(spec), speed,
                                     [this](Notice notice) { notices.push_back(std::move(notice)); });
  }
  void ask(async::TaskSet& set, Limiter& limiter, Ask what, int number = 0) {
    set.spawn(ask_for(limiter, loop, std::move(what), number, served));
  }
  int errors(Code code) const {
    return static_cast<int>(std::ranges::count_if(served, [&](const Served& s) { return s.error == code; }));
  }
};

Spec per_second(std::uint64_t count, std::uint32_t burst = 1, std::uint32_t queue = 100'000) {
  return {.rate = Rate{count, 1s}, .burst = burst, .queue = queue};
}

/// A provider that counts what arrives in every sliding second.
int over_limit(std::vector<MonoTime> arrivals, std::size_t limit) {
  std::ranges::sort(arrivals);
  int over = 0;
  for (std::size_t i = limit; i < arrivals.size(); ++i) {
    if (arrivals[i] - arrivals[i - limit] < 1s) ++over;
  }
  return over;
}

}  // namespace

TEST_CASE_METHOD(Rig, "the burst passes at once, the rest in order and in time") {
  const auto limiter = make(per_second(2, 3));
  async::TaskSet set(loop);
  const MonoTime start = clock.now();
  for (int i = 0; i < 7; ++i) ask(set, *limiter, {}, i);
  advance(10s);
  REQUIRE(served.size() == 7);
  for (int i = 0; i < 7; ++i) {
    CHECK(served[static_cast<std::size_t>(i)].number == i);
    CHECK(served[static_cast<std::size_t>(i)].at - start == std::max(0, i - 2) * 500ms);
  }
  CHECK(limiter->counters().admitted == 7);
  CHECK(limiter->counters().waited == 4);
  CHECK(notices.size() == 1);
  CHECK(limiter->idle());
  CHECK_FALSE(loop.next_timer());
}

TEST_CASE_METHOD(Rig, "what is kept in reserve is lent after a restart, in parts, and no more") {
  const auto limiter = make({.rate = Rate{100, 30s}, .burst = 10, .guard = 1s, .queue = 1000, .reserve = 20});
  CHECK(limiter->wants() == 0);
  limiter->recall({}, false);
  std::vector<std::uint64_t> parts;
  const auto lend = [&] {
    while (const std::uint64_t wanted = limiter->wants()) {
      parts.push_back(wanted);
      limiter->lend(wanted);
    }
  };
  limiter->when_scarce([&] { loop.post(lend); });
  lend();
  CHECK(parts == std::vector<std::uint64_t>{10});
  async::TaskSet set(loop);
  const MonoTime start = clock.now();
  for (int i = 0; i < 30; ++i) ask(set, *limiter, {}, i);
  advance(300ms);
  CHECK(!served.empty());
  advance(20s);
  CHECK(served.size() == 20);
  CHECK(parts == std::vector<std::uint64_t>{10, 10});
  advance(1min);
  REQUIRE(served.size() == 30);
  CHECK(served.at(20).at - start > 31s);  // all that may have been sent before has passed
}

TEST_CASE_METHOD(Rig, "first come, first served within a priority and a swarm, and higher priorities first") {
  rc::prop("in any mix of weights and arrivals", [this] {
    served.clear();
    const auto limiter = make(per_second(10, 4));
    async::TaskSet set(loop);
    const auto asks = *rc::gen::container<std::vector<std::tuple<int, int, int, int>>>(rc::gen::tuple(
        rc::gen::inRange(0, kPriorities), rc::gen::inRange(1, 5), rc::gen::inRange(0, 3), rc::gen::inRange(0, 300)));
    int number = 0;
    for (const auto& [priority, weight, swarm, wait] : asks) {
      ask(set, *limiter,
          {.weight = static_cast<std::uint64_t>(weight),
           .priority = static_cast<Priority>(priority),
           .swarm = std::string(1, static_cast<char>('a' + swarm))},
          number++);
      advance(wait * 1ms);
    }
    advance(1h);
    RC_ASSERT(served.size() == asks.size());
    std::map<std::pair<std::string, Priority>, int> last;
    for (const Served& s : served) {
      RC_ASSERT_FALSE(s.error);
      const auto [place, first] = last.emplace(std::pair(s.swarm, s.priority), s.number);
      RC_ASSERT((first || place->second < s.number));
      place->second = s.number;
    }
  });
}

TEST_CASE_METHOD(Rig, "a higher priority goes first, whoever came before") {
  const auto limiter = make(per_second(1));
  async::TaskSet set(loop);
  ask(set, *limiter, {}, 0);
  for (int i = 1; i < 4; ++i) ask(set, *limiter, {.priority = Priority::background}, i);
  loop.run_until_idle();
  for (int i = 4; i < 6; ++i) ask(set, *limiter, {.priority = Priority::urgent}, i);
  advance(10s);
  std::vector<int> order;
  for (const Served& s : served) order.push_back(s.number);
  CHECK(order == std::vector{0, 4, 5, 1, 2, 3});
}

TEST_CASE_METHOD(Rig, "a swarm with a long line does not hold up one with a short line") {
  const auto limiter = make(per_second(1));
  async::TaskSet set(loop);
  for (int i = 0; i < 100; ++i) ask(set, *limiter, {.swarm = "greedy"}, i);
  loop.run_until_idle();
  for (int i = 0; i < 5; ++i) ask(set, *limiter, {.swarm = "modest"}, i);
  advance(12s);
  const auto modest = std::ranges::count(served, "modest", &Served::swarm);
  CHECK(modest == 5);  // every second turn from when it came
}

TEST_CASE_METHOD(Rig, "shares go by weight") {
  const auto limiter = make(per_second(4, 4));
  async::TaskSet set(loop);
  for (int i = 0; i < 200; ++i) {
    ask(set, *limiter, {.weight = 1, .swarm = "light"}, i);
    ask(set, *limiter, {.weight = 4, .swarm = "heavy"}, i);
  }
  advance(40s);
  std::map<std::string, int> weight;
  for (const Served& s : served) weight[s.swarm] += s.swarm == "light" ? 1 : 4;
  CHECK(std::abs(weight["light"] - weight["heavy"]) <= 8);
}

TEST_CASE_METHOD(Rig, "a deadline is honoured to the nanosecond, and nobody passes after it") {
  const auto limiter = make(per_second(1));
  async::TaskSet set(loop);
  const MonoTime start = clock.now();
  ask(set, *limiter, {}, 0);
  ask(set, *limiter, {.deadline = start + 1s}, 1);        // just in time
  ask(set, *limiter, {.deadline = start + 2s - 1ns}, 2);  // just too late
  ask(set, *limiter, {.deadline = start}, 3);             // passed before it began to wait
  advance(5s);
  REQUIRE(served.size() == 4);
  for (const Served& s : served) {
    INFO(s.number);
    CHECK(s.error.has_value() == (s.number >= 2));
    if (s.number == 1) CHECK(s.at == start + 1s);
    if (s.number == 2) CHECK((s.at == start + 2s - 1ns && s.error == Code::deadline_exceeded));
  }
  CHECK(limiter->counters().expired == 2);
}

TEST_CASE_METHOD(Rig, "a full line refuses the one too many, but keeps room for the swarms that wait less") {
  const auto limiter = make(per_second(1, 1, 10));
  async::TaskSet set(loop);
  for (int i = 0; i < 13; ++i) ask(set, *limiter, {.swarm = "greedy"}, i);
  loop.run_until_idle();
  CHECK(errors(Code::resource_exhausted) == 2);
  for (int i = 0; i < 5; ++i) ask(set, *limiter, {.swarm = "late"}, i);
  loop.run_until_idle();
  CHECK(limiter->waiting() == 10);
  CHECK(limiter->waiting_by_swarm() == std::map<std::string, std::size_t>{{"greedy", 5}, {"late", 5}});
  ask(set, *limiter, {.swarm = "late"}, 6);
  loop.run_until_idle();
  CHECK(served.back().error == Code::resource_exhausted);
  CHECK(served.back().swarm == "late");
  ask(set, *limiter, {.priority = Priority::urgent, .swarm = "late"}, 7);
  loop.run_until_idle();
  CHECK(limiter->waiting() == 10);
  CHECK(limiter->waiting_by_swarm().at("late") + limiter->waiting_by_swarm().at("greedy") == 10);
  CHECK(served.back().number != 7);
  const auto told = std::ranges::count(notices, Notice::Kind::refused, &Notice::kind);
  CHECK(told == 1);  // once a second is enough
}

TEST_CASE_METHOD(Rig, "a weight that can never pass is refused at once, also after the limit was lowered") {
  const auto limiter = make(per_second(1, 5));
  async::TaskSet set(loop);
  ask(set, *limiter, {.weight = 6}, 0);
  ask(set, *limiter, {.weight = 5}, 1);
  ask(set, *limiter, {.weight = 4}, 2);
  ask(set, *limiter, {.weight = 1}, 3);
  loop.run_until_idle();
  REQUIRE(served.size() == 2);
  CHECK(served[0].error == Code::invalid_argument);
  limiter->set(per_second(1, 3));
  loop.run_until_idle();
  CHECK(served.back().error == Code::invalid_argument);
  advance(10s);
  CHECK(served.size() == 4);
}

TEST_CASE_METHOD(Rig, "one who gives up in line lets the others pass, and costs nothing") {
  const auto limiter = make(per_second(1, 2));
  const MonoTime start = clock.now();
  async::TaskSet kept(loop);
  {
    async::TaskSet dropped(loop);
    ask(kept, *limiter, {}, 0);
    loop.run_until_idle();
    ask(dropped, *limiter, {.weight = 2}, 1);
    loop.run_until_idle();
    ask(kept, *limiter, {}, 2);
    loop.run_until_idle();
    CHECK(served.size() == 1);  // the heavy one holds up the light one behind it
  }
  loop.run_until_idle();
  REQUIRE(served.size() == 2);
  CHECK(served[1].number == 2);
  CHECK(served[1].at == start);
}

TEST_CASE_METHOD(Rig, "one who is let through and dropped before it goes on gives its place back") {
  const auto limiter = make(per_second(1));
  async::TaskSet kept(loop);
  std::optional<async::TaskSet> dropped(std::in_place, loop);
  ask(kept, *limiter, {}, 0);
  loop.run_until_idle();
  ask(*dropped, *limiter, {}, 1);
  loop.run_until_idle();
  clock.advance(1s);
  limiter->set(per_second(1));  // lets it through; it has not run yet
  dropped.reset();
  ask(kept, *limiter, {}, 2);
  loop.run_until_idle();
  REQUIRE(served.size() == 2);
  CHECK(served[1].number == 2);
  CHECK(served[1].at == clock.now());
}

TEST_CASE_METHOD(Rig, "Retry-After is obeyed to the nanosecond, the rate is halved once, and comes back") {
  const auto limiter = make(per_second(10, 10));
  async::TaskSet set(loop);
  for (int i = 0; i < 10; ++i) ask(set, *limiter, {}, i);
  loop.run_until_idle();
  REQUIRE(served.size() == 10);
  const MonoTime told = clock.now();
  // Ten requests were under way; each is answered with 429, and that is one reason to slow down, not ten.
  for (const Served& s : served) limiter->throttled(s.admission, 7s);
  CHECK(limiter->thousandths() == 500);
  CHECK(limiter->blocked_for() == 7s);
  served.clear();
  for (int i = 0; i < 40; ++i) ask(set, *limiter, {}, i);
  advance(7s - 1ns);
  CHECK(served.empty());
  advance(1ns);
  CHECK(served.size() == 10);  // rested for 7 s at half the rate: the whole burst is there again
  CHECK(served.front().at == told + 7s);
  advance(2s);
  CHECK(served.size() == 20);  // 5 a second
  advance(48s);
  CHECK(limiter->thousandths() == 1000);
  CHECK(notices.back().kind == Notice::Kind::recovered);
  CHECK(std::ranges::count(notices, Notice::Kind::throttled, &Notice::kind) == 1);
}

TEST_CASE_METHOD(Rig, "without Retry-After the pauses double, and a success ends that") {
  const auto limiter = make(per_second(100));
  async::TaskSet set(loop);
  const auto next_throttled = [&] {
    ask(set, *limiter, {}, 0);
    advance(limiter->blocked_for() + 10s);
    limiter->throttled(served.back().admission, std::nullopt);
    return limiter->blocked_for();
  };
  CHECK(next_throttled() == 1s);
  CHECK(next_throttled() == 2s);
  CHECK(next_throttled() == 4s);
  for (int i = 0; i < 6; ++i) next_throttled();
  CHECK(next_throttled() == 60s);
  advance(60s);
  ask(set, *limiter, {}, 0);
  advance(10s);
  limiter->succeeded(served.back().admission);
  CHECK(next_throttled() == 1s);
}

TEST_CASE_METHOD(Rig, "no limit at all still stands still when it is told to, and then goes with care") {
  const auto limiter = make({.queue = 10'000});
  async::TaskSet set(loop);
  ask(set, *limiter, {.weight = 50'000}, 0);
  loop.run_until_idle();
  REQUIRE(served.size() == 1);
  limiter->throttled(served[0].admission, 3s);
  for (int i = 0; i < 3000; ++i) ask(set, *limiter, {}, i);
  loop.run_until_idle();
  CHECK(served.size() == 1);
  advance(3s);
  CHECK(served.size() == 1 + 1000);
  advance(4s);
  CHECK(served.size() == 1 + 3000);
  advance(1min);
  CHECK(limiter->idle());
}

TEST_CASE_METHOD(Rig, "a changed rate acts on those who wait") {
  const auto limiter = make({.rate = Rate{1, 1min}, .burst = 1, .queue = 100});
  async::TaskSet set(loop);
  for (int i = 0; i < 11; ++i) ask(set, *limiter, {}, i);
  advance(1s);
  CHECK(served.size() == 1);
  limiter->set(per_second(10));
  advance(1s);
  CHECK(served.size() == 11);
}

TEST_CASE_METHOD(Rig, "what it remembers of its trouble lasts, and an unknown level counts as spent") {
  const auto limiter = make(per_second(10, 10));
  async::TaskSet set(loop);
  for (int i = 0; i < 4; ++i) ask(set, *limiter, {}, i);
  loop.run_until_idle();
  limiter->throttled(served.back().admission, 5s);
  const Limiter::Memory memory = limiter->remember();
  CHECK(memory == Limiter::Memory{.level_millionths = 4'000'000, .thousandths = 500, .blocked_for = 5s});
  const auto other = make(per_second(10, 10));
  other->recall(memory, true);
  CHECK(other->remember() == memory);
  const auto careful = make(per_second(10, 10));
  careful->recall({}, false);
  CHECK(careful->next_in() == 100ms);
}

TEST_CASE_METHOD(Rig, "ten thousand at once: nothing above the rate, in order, as fast as the rate allows") {
  for (const std::uint64_t rate : {1U, 5U}) {
    served.clear();
    const auto limiter = make(per_second(rate), 1000);  // a thousand times faster than real time
    async::TaskSet set(loop);
    const MonoTime start = clock.now();
    for (int i = 0; i < 10'000; ++i) ask(set, *limiter, {}, i);
    advance(1h);
    REQUIRE(served.size() == 10'000);
    CHECK(std::ranges::is_sorted(served, {}, &Served::number));
    const Duration least = Duration(1ms) / static_cast<Duration::rep>(rate);
    for (std::size_t i = 1; i < served.size(); ++i) REQUIRE(served[i].at - served[i - 1].at >= least);
    CHECK(served.back().at - start == 9'999 * least);
  }
}

TEST_CASE_METHOD(Rig, "an answer ends the guard: with quick ones the full rate is reached, and never more") {
  rc::prop("whatever each request's delay and each answer's is", [this] {
    const auto slowest_answer = *rc::gen::element(1, 10, 40);  // steps of 10 ms
    for (const std::uint64_t rate : {1U, 5U}) {
      served.clear();
      Spec spec = per_second(rate);
      spec.guard = 200ms;
      const auto limiter = make(spec);
      async::TaskSet set(loop);
      const MonoTime start = clock.now();
      for (int i = 0; i < 60; ++i) ask(set, *limiter, {}, i);
      std::vector<MonoTime> arrivals;
      std::vector<std::optional<MonoTime>> answers;
      std::size_t answered = 0;
      while (answered < 60) {
        advance(10ms);
        for (std::size_t i = arrivals.size(); i < served.size(); ++i) {
          const auto late = *rc::gen::inRange(0, std::min(slowest_answer, 20) + 1);
          arrivals.push_back(served[i].at + Duration(10ms) * late);
          const auto answer = *rc::gen::inRange(std::max(late, 1), std::max(late, slowest_answer) + 1);
          answers.push_back(served[i].at + Duration(10ms) * answer);
        }
        for (std::size_t i = 0; i < answers.size(); ++i) {
          if (!answers[i] || *answers[i] > clock.now()) continue;
          limiter->succeeded(served[i].admission);
          answers[i].reset();
          ++answered;
        }
      }
      RC_ASSERT(over_limit(arrivals, rate) == 0);
      // What it costs is what the answers take, and never more than the guard; steps of the clock come on top.
      const Duration waits = std::min(Duration(200ms), Duration(10ms) * slowest_answer) + 20ms;
      RC_ASSERT(served.back().at - start <= 59 * (Duration(1s) + waits) / static_cast<Duration::rep>(rate));
    }
  });
}

TEST_CASE_METHOD(Rig, "after a restart the far end may still count what was sent before") {
  Spec spec = per_second(5);
  spec.guard = 200ms;
  const auto limiter = make(spec);
  async::TaskSet set(loop);
  for (int i = 0; i < 5; ++i) ask(set, *limiter, {}, i);
  advance(1s);
  REQUIRE(served.size() == 5);
  const Limiter::Memory memory = limiter->remember();
  const auto other = make(spec);
  other->recall(memory, true);
  CHECK(other->next_in() > 1s);
  CHECK_FALSE(other->idle());
  advance(5s);
  CHECK(other->idle());
  CHECK(other->next_in() == 0s);
}

TEST_CASE_METHOD(Rig, "with 200 ms of jitter on the way the provider never counts more than its limit") {
  rc::prop("whatever each request's delay is", [this] {
    for (const std::uint64_t rate : {1U, 5U}) {
      served.clear();
      Spec spec = per_second(rate);
      spec.guard = 200ms;
      const auto limiter = make(spec);
      async::TaskSet set(loop);
      const MonoTime start = clock.now();
      for (int i = 0; i < 60; ++i) ask(set, *limiter, {}, i);
      advance(1h);
      RC_ASSERT(served.size() == 60U);
      std::vector<MonoTime> arrivals;
      for (const Served& s : served) {
        arrivals.push_back(s.at +
                           *rc::gen::oneOf(rc::gen::element(0, 200'000'000), rc::gen::inRange(0, 200'000'001)) * 1ns);
      }
      RC_ASSERT(over_limit(arrivals, rate) == 0);
      // No slower than the guard makes necessary.
      RC_ASSERT(served.back().at - start <= 59 * (Duration(1200ms) + 1ns) / static_cast<Duration::rep>(rate) + 60ns);
    }
  });
}
