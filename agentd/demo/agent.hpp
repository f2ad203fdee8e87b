#pragma once
// The demo agent: takes part in a swarm through the same `swarm` command as any coding agent, and makes real changes to
// a project of a certain kind (wishes in `features/`, written in Python, tested by unittest). There is no model in it:
// it knows a few words and how to write them down, takes the first way that comes to its mind, and learns from tests
// and reviewers. What comes of that is not written anywhere; it follows from the project, its opinions and who is
// faster.

#include <cstdint>
#include <string>

#include "agentd/demo/project.hpp"
#include "agentd/demo/tools.hpp"

namespace swarm::demo {

/// Who one is, and where one works.
struct Self {
  std::string name;
  std::string worktree;
  std::uint64_t seed = 0;  ///< its opinions follow from this and its name
};

/// How much an agent likes something, from 0 to 1: its own for ever, unlike that of others.
double liking(const Self& self, const std::string& of);

/// Finds out things, or plans; gives the answer that a task of that kind is done with.
Result<std::string> answer_task(const Self& self, const Value& task);

/// Makes the change that a task asks for, commits it, and gives a summary for reviewers.
Result<std::string> make_change(const Self& self, const Value& task);

/// Reads another's change, tries it, and submits a verdict.
Result<void> review_change(const Self& self, const Value& review);

/// Votes on a proposal.
Result<void> vote(const Self& self, const std::string& proposal);

}  // namespace swarm::demo
