#include "daemon/workflow/evidence.hpp"

#include <fmt/format.h>

#include "protocol/core/tests_ran.hpp"

namespace swarm::workflow {

Judgement judge(const TestRun& run) {
  if (run.timed_out) return {.passed = false, .why = "the tests did not end in time"};
  if (run.exit_status != 0) return {.passed = false, .why = fmt::format("the tests ended with {}", run.exit_status)};
  const auto count = tests_ran(run.output);
  if (count == 0) return {.passed = false, .why = "the command ended with 0 but ran no test"};
  return {.passed = true, .why = count ? fmt::format("{} tests passed", *count) : "the tests ended with 0"};
}

}  // namespace swarm::workflow
