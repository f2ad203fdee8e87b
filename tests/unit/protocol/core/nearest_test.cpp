#include "protocol/core/nearest.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace swarm;

TEST_CASE("the name that was meant is found") {
  const std::vector<std::string> known = {"level", "format", "max_size", "keep"};
  CHECK(nearest_name("levle", known) == "level");
  CHECK(nearest_name("Format", known) == "format");
  CHECK(nearest_name("max-size", known) == "max_size");
  CHECK(nearest_name("maxsize", known) == "max_size");
  CHECK(did_you_mean("leve", known) == "; did you mean 'level'?");
}

TEST_CASE("a name far from all others suggests none") {
  const std::vector<std::string> known = {"level", "format", "x"};
  CHECK_FALSE(nearest_name("colour", known));
  CHECK_FALSE(nearest_name("y", known));
  CHECK_FALSE(nearest_name("", known));
  CHECK_FALSE(nearest_name(std::string(100000, 'l'), known));
  CHECK(did_you_mean("colour", known).empty());
}
