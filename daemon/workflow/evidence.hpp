#pragma once
// Whether a test run proves anything. The exit status is the real one; a command that ran no test proves nothing, and
// exits with 0 in several of the common runners.

#include <optional>
#include <string>
#include <string_view>

#include "daemon/workflow/ports.hpp"

namespace swarm::workflow {

/// How many tests the runners in an output say that they ran, in all; absent where none of the known ones speaks.
/// Known: pytest, unittest, cargo, go, ctest, Catch2, GoogleTest, TAP, jest, mocha, JUnit XML.
std::optional<std::uint64_t> tests_in(std::string_view output);

struct Judgement {
  bool passed = false;
  std::string why;  ///< in a sentence
};

/// Passed: it ended with 0 in time, and no runner says that it ran nothing.
Judgement judge(const TestRun& run);

}  // namespace swarm::workflow
