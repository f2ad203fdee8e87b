#include "protocol/coord/moment.hpp"

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::coord;
using namespace std::chrono_literals;

TEST_CASE("lease time goes on with the machine, not with the wall clock, and stands still in pauses") {
  FakeClock clock;
  LeaseClock time(clock, {});
  const Moment start = time.now();
  CHECK(start.us == clock.wall().us);
  clock.advance(10s);
  CHECK(time.now() - start == 10s);
  clock.jump_wall(-1h);
  CHECK(time.now() - start == 10s);
  clock.advance(100s);
  time.resumed(90s);
  CHECK(time.now() - start == 20s);
  CHECK(time.paused() == 90s);
  CHECK(time.wall(start).us == start.us + 90'000'000);
  CHECK(time.mono(time.now() + 5s) == clock.now() + 5s);
}

TEST_CASE("time that was seen before a pause was told never comes again, it waits") {
  FakeClock clock;
  LeaseClock time(clock, {});
  clock.advance(60s);
  const Moment seen = time.now();
  time.resumed(50s);
  CHECK(time.now() == seen);
  clock.advance(50s);
  CHECK(time.now() == seen);
  clock.advance(1s);
  CHECK(time.now() == seen + 1s);
}

TEST_CASE("who slept through its own timer waits to hear whether it was paused") {
  FakeClock clock;
  LeaseClock time(clock, {});
  const Moment start = time.now();
  time.expect(clock.now() + 1s);
  clock.advance(60s);
  CHECK(time.now() == start + 1s - 1us);  // what was due then has not come yet
  clock.advance(1s);
  time.resumed(59s);
  CHECK(time.now() == start + 2s);
  time.expect(clock.now() + 1s);
  clock.advance(60s);
  CHECK(time.now() == start + 3s - 1us);
  clock.advance(2s);  // nobody said so: it was no pause
  CHECK(time.now() == start + 64s);
}

TEST_CASE("lease time goes on over a restart") {
  FakeClock clock;
  LeaseClock before(clock, {});
  clock.advance(10s);
  before.resumed(4s);
  const TimeRecord record{before.now(), before.paused()};
  clock.advance(5s);
  CHECK(LeaseClock(clock, record).now() == record.last + 5s);
  clock.jump_wall(-1h);
  CHECK(LeaseClock(clock, record).now() == record.last);
}
