#pragma once
// Which steps a daemon under test was in when it died. A file, mapped, survives SIGKILL without a system call: one byte
// for each pair of state and event, the number of steps of that kind under way, and another for those that ever began.

#include <cstdint>
#include <string>

#include "daemon/sandbox/sandboxes.hpp"

namespace swarm::harness {

/// When to die: at the n-th moment of a kind.
struct CrashPlan {
  std::string state;   ///< empty: any
  std::string event;   ///< empty: any
  std::string moment;  ///< "intended", "recorded"; empty: any
  std::uint64_t nth = 0;

  /// "creating:created:recorded:1", "::intended:12"; nth 0 is never.
  static Result<CrashPlan> parse(const std::string& text);
};

class Steps {
 public:
  static constexpr std::size_t kPairs = sandbox::kStates * sandbox::kEvents;

  /// Makes or empties the file.
  static Result<Steps> map(const std::string& path, CrashPlan plan);

  void observe(sandbox::State from, sandbox::Event event, sandbox::StepMoment moment);

 private:
  Steps(std::uint8_t* bytes, CrashPlan plan) : bytes_(bytes), plan_(std::move(plan)) {}
  std::uint8_t* bytes_;
  CrashPlan plan_;
};

/// Every pair that moves, one a line: "creating created 0 1" with the numbers of state and event.
std::string list_of_steps();

}  // namespace swarm::harness
