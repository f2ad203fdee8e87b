#include "protocol/core/id.hpp"

#include <catch2/catch.hpp>

using namespace swarm;

TEST_CASE("a sandbox id is a DNS label of 21 characters") {
  SystemRandom random;
  const std::string id = new_sandbox_id(random);
  CHECK(id.size() == 21);
  CHECK(is_sandbox_id(id));
  CHECK_FALSE(is_sandbox_id(id + "a"));
  CHECK_FALSE(is_sandbox_id("s0000000000000000000a"));  // 0 and 1 are not in the alphabet
}

TEST_CASE("ids sort by the time they were made") {
  FakeClock clock;
  SeededRandom random(7);
  const std::string first = new_id("tsk", clock, random);
  clock.advance(std::chrono::milliseconds(1));
  const std::string second = new_id("tsk", clock, random);
  CHECK(first < second);
  CHECK(is_id("tsk", first));
  CHECK_FALSE(is_id("run", first));
}
