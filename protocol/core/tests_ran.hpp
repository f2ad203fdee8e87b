#pragma once
// How many tests a test command ran, as its runner says in its output: a command that ran none proves nothing, and
// exits with 0 in several of the common runners.

#include <cstdint>
#include <optional>
#include <string_view>

namespace swarm {

/// How many tests the runners in an output say that they ran, in all; absent where none of the known ones speaks.
/// Known: pytest, unittest, cargo, go, ctest, Catch2, GoogleTest, TAP, jest, mocha, JUnit XML.
std::optional<std::uint64_t> tests_ran(std::string_view output);

}  // namespace swarm
