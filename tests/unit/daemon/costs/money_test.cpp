#include "daemon/costs/money.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "daemon/costs/sums_codec.hpp"
#include "fixture.hpp"

using namespace swarm;
using namespace swarm::costs;

TEST_CASE("prices are read and shown as decimals") {
  CHECK(parse_usd("0.0000045").value() == 4500);
  CHECK(parse_usd("3").value() == 3'000'000'000);
  CHECK(parse_usd("0.10").value() == 100'000'000);
  for (const char* bad : {"", ".5", "1.", "-1", "1e3", "0.0000000001", "10000000000", "1,5"}) {
    INFO(bad);
    CHECK_FALSE(parse_usd(bad));
  }
  CHECK(format_usd(13'800'000) == "0.0138");
  CHECK(format_usd(0) == "0");
  CHECK(format_usd(-1'500'000'000) == "-1.5");
  CHECK(format_usd(3'000'000'000) == "3");
}

TEST_CASE("E2B's list price, by the arithmetic that its page shows") {
  const Prices e2b{.vcpu_hour = 14'000 * 3600, .gib_hour = 4'500 * 3600};
  const auto cost = [&](std::int64_t seconds, int cpus, int mib) {
    const Int128 ns = Int128{seconds} * 1'000'000'000;
    return Amount::of({.ns = ns, .mcpu_ns = ns * cpus * 1000, .mib_ns = ns * mib}, e2b)->usd();
  };
  CHECK(cost(300, 2, 4096) == "0.0138");
  CHECK(cost(120, 2, 4096) == "0.00552");
  CHECK(cost(1800, 2, 4096) == "0.0828");
  CHECK(cost(3600, 2, 512) == "0.1089");
  CHECK(cost(3600, 2, 2048) == "0.1332");
  CHECK(cost(3600, 2, 4096) == "0.1656");
  // A flat price of $0.00015 a second is $0.54 an hour.
  const Prices flat{.sandbox_hour = 150'000 * 3600};
  CHECK(Amount::of({.ns = Int128{3600} * 1'000'000'000}, flat)->usd() == "0.54");
  CHECK(Amount::of({.ns = Int128{37} * 1'000'000'000}, flat)->usd() == "0.00555");
}

TEST_CASE("rounding happens once, to the even one") {
  const auto half = Amount::kPartsPerNano / 2;
  CHECK(Amount::from_parts(half).nano() == 0);
  CHECK(Amount::from_parts(half + 1).nano() == 1);
  CHECK(Amount::from_parts(3 * half).nano() == 2);
  CHECK(Amount::from_parts(-half).nano() == 0);
  CHECK(Amount::from_parts(-3 * half).nano() == -2);
  Amount sum;
  for (int i = 0; i < 10; ++i) sum += Amount::from_parts(Amount::kPartsPerNano / 10);
  CHECK(sum.nano() == 1);
}

TEST_CASE("what cannot be right is refused, not wrapped") {
  const Quantities silly{.input = Int128{1} << 100};
  CHECK(Amount::of(silly, {.input_million = 75'000'000'000}).error().code == Code::out_of_range);
}

TEST_CASE("sums survive their encoding") {
  rc::prop("whatever their size", [] {
    const auto number = [] { return Int128{*rc::gen::arbitrary<std::int64_t>()} * *rc::gen::inRange(0, 1 << 30); };
    Sums sums{.quantities = {number(), number(), number(), number(), number(), number(), number(), number()},
              .amount = Amount::from_parts(number() * 1'000'000),
              .bound_ns = number(),
              .entries = number()};
    const std::string bytes = encode_sums(sums);
    RC_ASSERT(decode_sums(bytes) == sums);
    RC_ASSERT_FALSE(decode_sums(bytes.substr(0, bytes.size() - 1)));
    RC_ASSERT_FALSE(decode_sums(bytes + '\0'));
  });
}

TEST_CASE("128-bit numbers as text") {
  const Int128 lowest = Int128{1} << 127;
  CHECK(to_decimal(lowest) == "-170141183460469231731687303715884105728");
  CHECK(int128_from_decimal(to_decimal(lowest)) == lowest);
  CHECK_FALSE(int128_from_decimal("170141183460469231731687303715884105728"));
  CHECK_FALSE(int128_from_decimal("-"));
  CHECK(int128_from_decimal("0") == Int128{0});
}
