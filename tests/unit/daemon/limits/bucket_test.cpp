#include "daemon/limits/bucket.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::limits;
using namespace std::chrono_literals;

namespace {

struct Taken {
  MonoTime at;
  std::uint64_t weight = 0;
};

/// burst + floor(rate * length)
Int128 allowed(Rate rate, std::uint64_t burst, Duration length) {
  return static_cast<Int128>(burst) +
         static_cast<Int128>(length.count()) * static_cast<Int128>(rate.count) / rate.per.count();
}

/// The most that a window of these admissions exceeds the formula by; 0 or less when none does.
Int128 worst_excess(const std::vector<Taken>& taken, Rate rate, std::uint64_t burst) {
  Int128 worst = -1;
  for (std::size_t from = 0; from < taken.size(); ++from) {
    Int128 sum = 0;
    for (std::size_t to = from; to < taken.size(); ++to) {
      sum += static_cast<Int128>(taken[to].weight);
      worst = std::max(worst, sum - allowed(rate, burst, taken[to].at - taken[from].at));
    }
  }
  return worst;
}

std::vector<Duration> awkward_periods() { return {1ns, 7ns, 999ns, 1s, 60s, 30s, 1h + 1ns, 333ms}; }

}  // namespace

TEST_CASE("a burst passes at once, then one by one at the rate") {
  MonoTime now{1h};
  Bucket bucket({2, 1s}, 3, now);
  CHECK(bucket.admit(3, now));
  CHECK_FALSE(bucket.admit(1, now));
  CHECK(bucket.when(1, now) == now + 500ms);
  CHECK_FALSE(bucket.admit(1, now + 500ms - 1ns));
  CHECK(bucket.admit(1, now + 500ms));
  CHECK(bucket.when(3, now + 500ms) == now + 2s);
}

TEST_CASE("a rate that is no whole number of nanoseconds is kept over time") {
  MonoTime now{1h};
  const MonoTime start = now;
  Bucket bucket({3, 1s}, 1, now);
  std::uint64_t count = 0;
  while (now - start < 1000s) {
    REQUIRE(bucket.admit(1, now));
    ++count;
    now = bucket.when(1, now);
  }
  CHECK(count == 3000);
}

TEST_CASE("GCRA never admits more than its formula over any window, and admits as soon as it says") {
  rc::prop("whatever is asked, slowed down, changed back and forth in time", [] {
    const Rate rate{*rc::gen::inRange<std::uint64_t>(1, 20'001), *rc::gen::elementOf(awkward_periods())};
    const std::uint64_t burst = *rc::gen::inRange<std::uint64_t>(1, 9);
    MonoTime now{1h};
    Bucket bucket(rate, burst, now);
    std::vector<Taken> taken;
    const Duration::rep unit = std::max<Duration::rep>(1, rate.per.count() / static_cast<Duration::rep>(rate.count));
    const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
        rc::gen::tuple(rc::gen::inRange(0, 12), rc::gen::inRange(1, 9), rc::gen::inRange(0, 400)));
    for (const auto& [what, weight, wait] : steps) {
      const auto w = std::min<std::uint64_t>(static_cast<std::uint64_t>(weight), burst);
      if (what == 0) {
        bucket.slow_to(static_cast<std::uint32_t>(1 + wait * 5 / 2), now);
      } else if (what == 1) {
        now = now + Duration(unit * wait / 100);
      } else if (what == 2) {  // as early as it says, and not a nanosecond earlier
        const MonoTime when = bucket.when(w, now);
        if (when > now) {
          Bucket early = bucket;
          RC_ASSERT_FALSE(early.admit(w, when - 1ns));
        }
        now = when;
        RC_ASSERT(bucket.admit(w, now));
        taken.push_back({now, w});
      } else if (bucket.admit(w, now)) {
        taken.push_back({now, w});
        if (what == 3) {  // never used after all
          bucket.give_back(w, now);
          taken.pop_back();
        }
      }
    }
    RC_ASSERT(worst_excess(taken, rate, burst) <= 0);
  });
}

TEST_CASE("at full rate it admits all that the formula allows") {
  rc::prop("a greedy caller gets the whole of each window from the start", [] {
    const Rate rate{*rc::gen::inRange<std::uint64_t>(1, 1001), *rc::gen::elementOf(awkward_periods())};
    // Slower than one a nanosecond, the grain of time.
    RC_PRE(rate.per.count() >= static_cast<Duration::rep>(rate.count));
    const std::uint64_t burst = *rc::gen::inRange<std::uint64_t>(1, 6);
    const MonoTime start{1h};
    MonoTime now = start;
    Bucket bucket(rate, burst, now);
    Int128 sum = 0;
    for (int i = 0; i < 100; ++i) {
      now = bucket.when(1, now);
      RC_ASSERT(bucket.admit(1, now));
      ++sum;
      RC_ASSERT(sum <= allowed(rate, burst, now - start));
      // Time is whole nanoseconds, so each may be late by a part of one; no more is lost.
      const Duration lost{i + 1};
      if (now - start >= lost) RC_ASSERT(sum > allowed(rate, burst, now - start - lost));
    }
  });
}

TEST_CASE("a changed rate keeps what was taken") {
  MonoTime now{1h};
  Bucket bucket({1, 1s}, 10, now);
  REQUIRE(bucket.admit(10, now));
  bucket.change({1, 1min}, 10, now);
  CHECK(bucket.when(1, now) == now + 1min);
  bucket.change({5, 1s}, 2, now);  // ten are out, two may be
  CHECK(bucket.when(1, now) == now + 1800ms);
}

TEST_CASE("the level survives as a number, rounded against the caller") {
  MonoTime now{1h};
  Bucket bucket({3, 1s}, 4, now);
  REQUIRE(bucket.admit(4, now));
  now = now + 100ms;  // 4 - 0.3
  CHECK(bucket.level_millionths(now) == 3'700'000);
  Bucket other({3, 1s}, 4, now);
  other.set_level_millionths(bucket.level_millionths(now), now);
  CHECK(other.when(1, now) >= bucket.when(1, now));
  CHECK(other.when(1, now) - bucket.when(1, now) < 1us);
  other.fill(now);
  CHECK_FALSE(other.admit(1, now));
}
