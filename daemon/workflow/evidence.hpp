#pragma once
// Whether a test run proves anything. The exit status is the real one; a command that ran no test proves nothing, and
// exits with 0 in several of the common runners.

#include <string>

#include "daemon/workflow/ports.hpp"

namespace swarm::workflow {

struct Judgement {
  bool passed = false;
  std::string why;  ///< in a sentence
};

/// Passed: it ended with 0 in time, and no runner says that it ran nothing.
Judgement judge(const TestRun& run);

}  // namespace swarm::workflow
