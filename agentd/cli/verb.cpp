#include "agentd/cli/verb.hpp"

#include <algorithm>
#include <cstdio>

#include "protocol/coord/text.hpp"

namespace swarm::cli {
namespace {

/// A line for each group.
constexpr std::span<const Verb> (*kGroups[])() = {
    agent_verbs, artifact_verbs, general_verbs, git_verbs,  hook_verbs,   human_verbs,
    lock_verbs,  mcp_verbs,      message_verbs, note_verbs, review_verbs, task_verbs,
};

}  // namespace

std::vector<const Verb*> all_verbs() {
  std::vector<const Verb*> all;
  for (const auto& group : kGroups) {
    for (const Verb& verb : group()) all.push_back(&verb);
  }
  std::ranges::sort(all, {}, &Verb::name);
  return all;
}

int failed(const Error& error) {
  std::fprintf(stderr, "swarm: %s\n", coord::clean_text(error.to_string()).c_str());
  return exit_of(error.code);
}

int misused(const Invocation& call, const Error& error) {
  const std::string usage(call.verb->usage);
  std::fprintf(stderr, "swarm: %s\nusage: swarm %s\n", coord::clean_text(error.message).c_str(), usage.c_str());
  return kExitUsage;
}

}  // namespace swarm::cli
