#include "protocol/core/units.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

using namespace swarm;
using namespace std::chrono_literals;

TEST_CASE("durations are read with their units") {
  CHECK(parse_duration("250ms").value() == Duration(250ms));
  CHECK(parse_duration("5m").value() == Duration(5min));
  CHECK(parse_duration("1h30m").value() == Duration(90min));
  CHECK(parse_duration("1.5h").value() == Duration(90min));
  CHECK(parse_duration("2w1d").value() == Duration(15 * 24h));
  CHECK(parse_duration("0").value() == Duration::zero());
  CHECK(format_duration(90min) == "1h30m");
  CHECK(format_duration(Duration::zero()) == "0s");
}

TEST_CASE("a duration that could be misread is refused with the reason") {
  CHECK(parse_duration("300").error().message ==
        "'300' is not a duration: the unit is missing; write it like 250ms, 5m or 1h30m");
  CHECK(parse_duration("5m1h").error().message ==
        "'5m1h' is not a duration: units go from large to small, each once; write it like 250ms, 5m or 1h30m");
  for (const char* text :
       {"", "m", "-5m", "5 m", "5mm", "1.m", ".5s", "1.5ns", "99999999999999999999s", "300000000w", "1h1h"}) {
    INFO(text);
    CHECK(parse_duration(text).error().code == Code::invalid_argument);
  }
}

TEST_CASE("sizes keep binary and decimal units apart") {
  CHECK(parse_size("512MiB").value() == ByteSize{512ULL << 20U});
  CHECK(parse_size("2GB").value() == ByteSize{2'000'000'000});
  CHECK(parse_size("1.5GiB").value() == ByteSize{3ULL << 29U});
  CHECK(parse_size("4Ki").value() == ByteSize{4096});
  CHECK(format_size({2'000'000'000}) == "2GB");
  CHECK(format_size({512ULL << 20U}) == "512MiB");
  CHECK(parse_size("4096").error().message ==
        "'4096' is not a size: the unit is missing; write it like 512MiB, 2GB or 100B");
  for (const char* text : {"", "MiB", "-1B", "1.5B", "1 MiB", "99999999999PiB", "1MiB2KiB"}) {
    INFO(text);
    CHECK(parse_size(text).error().code == Code::invalid_argument);
  }
}

TEST_CASE("rates") {
  CHECK(parse_rate("60/min").value() == Rate{60, 1min});
  CHECK(parse_rate("5/s").value() == Rate{5, 1s});
  CHECK(parse_rate("40000/60s").value() == Rate{40000, 1min});
  CHECK(format_rate({100, 10s}) == "100/10s");
  for (const char* text : {"", "60", "/s", "5/", "5/0s", "-5/s", "5/fortnight"}) {
    INFO(text);
    CHECK(parse_rate(text).error().code == Code::invalid_argument);
  }
}

TEST_CASE("what is printed is read back") {
  rc::prop("durations", [](std::int64_t raw) {
    const Duration duration(raw == std::numeric_limits<std::int64_t>::min() ? 0 : std::abs(raw));
    RC_ASSERT(parse_duration(format_duration(duration)).value() == duration);
  });
  rc::prop("sizes",
           [](std::uint64_t bytes) { RC_ASSERT(parse_size(format_size({bytes})).value() == ByteSize{bytes}); });
  rc::prop("sizes in whole units", [] {
    const auto n = *rc::gen::inRange<std::uint64_t>(1, 5000);
    const auto shift = *rc::gen::element(0U, 10U, 20U, 30U, 40U);
    RC_ASSERT(parse_size(format_size({n << shift})).value() == ByteSize{n << shift});
  });
  rc::prop("rates", [](std::uint64_t count) {
    const Rate rate{count, Duration(*rc::gen::inRange<std::int64_t>(1, 1'000'000'000'000))};
    RC_ASSERT(parse_rate(format_rate(rate)).value() == rate);
  });
}
