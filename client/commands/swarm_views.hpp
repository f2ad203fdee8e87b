#pragma once
// How swarms, tasks, reviews and votes look to people. Texts come from agents and repositories: all of them pass the
// sanitizer.

#include <optional>
#include <string>
#include <vector>

#include "client/commands/sandbox_views.hpp"
#include "client/output/table.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/events.hpp"
#include "protocol/api/proposal.hpp"
#include "protocol/api/review.hpp"
#include "protocol/api/swarm.hpp"
#include "protocol/api/task.hpp"
#include "protocol/core/clock.hpp"

namespace swarm::client {

/// Nothing is left to do for it.
[[nodiscard]] bool is_over(api::SwarmState state);
[[nodiscard]] Style style_of(api::SwarmState state);

Table swarm_table(const std::vector<api::SwarmInfo>& swarms, WallTime now);
Fields swarm_fields(const api::SwarmInfo& swarm, WallTime now);
Table team_table(const api::SwarmInfo& swarm, const std::vector<api::TaskInfo>& tasks);
Table task_table(const std::vector<api::TaskInfo>& tasks);
Table review_table(const std::vector<api::ReviewInfo>& reviews);
Table proposal_table(const std::vector<api::ProposalInfo>& proposals);
Table commit_table(const std::vector<api::SwarmCommit>& commits);

/// What an event of that type says; nothing where it cannot be read.
template <class T>
std::optional<T> data_of(const api::Event& event) {
  Result<T> data = api::decode_reply<T>(event.data);
  return data ? std::optional(std::move(*data)) : std::nullopt;
}

/// A line for people about an event of a swarm; empty where it says nothing that they want to follow.
std::string event_line(const api::Event& event);
/// How bad or good that is.
Style event_style(const api::Event& event);

}  // namespace swarm::client
