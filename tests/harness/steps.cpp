#include "tests/harness/steps.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>

#include "protocol/core/unique_fd.hpp"

namespace swarm::harness {

Result<CrashPlan> CrashPlan::parse(const std::string& text) {
  std::array<std::string, 4> parts;
  std::size_t at = 0;
  for (const char c : text) {
    if (c == ':') {
      if (++at >= parts.size()) break;
    } else {
      parts.at(at) += c;
    }
  }
  if (at != 3) return fail(Code::invalid_argument, "a plan is STATE:EVENT:MOMENT:NTH, not '" + text + "'");
  return CrashPlan{
      .state = parts[0], .event = parts[1], .moment = parts[2], .nth = std::strtoull(parts[3].c_str(), nullptr, 10)};
}

Result<Steps> Steps::map(const std::string& path, CrashPlan plan) {
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return fail_errno("open", path);
  if (::ftruncate(file.get(), 2 * kPairs) != 0) return fail_errno("ftruncate", path);
  void* const bytes = ::mmap(nullptr, 2 * kPairs, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (bytes == MAP_FAILED) return fail_errno("mmap", path);
  return Steps(static_cast<std::uint8_t*>(bytes), std::move(plan));
}

void Steps::observe(sandbox::State from, sandbox::Event event, sandbox::StepMoment moment) {
  const std::size_t pair = static_cast<std::size_t>(from) * sandbox::kEvents + static_cast<std::size_t>(event);
  if (moment == sandbox::StepMoment::intended) {
    ++bytes_[pair];
    bytes_[kPairs + pair] = 1;
  }
  const std::string_view word = moment == sandbox::StepMoment::intended ? "intended" : "recorded";
  if (moment != sandbox::StepMoment::failed && plan_.nth > 0 &&
      (plan_.state.empty() || plan_.state == sandbox::state_name(from)) &&
      (plan_.event.empty() || plan_.event == sandbox::event_name(event)) &&
      (plan_.moment.empty() || plan_.moment == word) && --plan_.nth == 0) {
    ::kill(::getpid(), SIGKILL);
  }
  if (moment != sandbox::StepMoment::intended) --bytes_[pair];
}

std::string list_of_steps() {
  std::string text;
  for (int state = 0; state < sandbox::kStates; ++state) {
    for (int event = 0; event < sandbox::kEvents; ++event) {
      const auto from = static_cast<sandbox::State>(state);
      const auto what = static_cast<sandbox::Event>(event);
      if (sandbox::outcome(from, what).kind != sandbox::Outcome::Kind::moves) continue;
      text += std::string(sandbox::state_name(from)) + " " + std::string(sandbox::event_name(what)) + " " +
              std::to_string(state * sandbox::kEvents + event) + "\n";
    }
  }
  return text;
}

}  // namespace swarm::harness
