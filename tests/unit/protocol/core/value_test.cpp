#include "protocol/core/value.hpp"

#include <catch2/catch.hpp>

using namespace swarm;

TEST_CASE("an unsigned number that fits is an ordinary integer") {
  CHECK(Value(std::uint64_t{5}) == Value(5));
  CHECK(Value(UINT64_MAX).kind() == Value::Kind::unsigned_integer);
}

TEST_CASE("set adds, replaces and keeps the order") {
  Value map;
  map.set("b", 1).set("a", 2).set("b", 3);
  REQUIRE(map.as_map() != nullptr);
  CHECK(map.as_map()->size() == 2);
  CHECK(map.as_map()->front().first == "b");
  CHECK(*map.find("b")->as_int() == 3);
  CHECK(map.find("c") == nullptr);
}
