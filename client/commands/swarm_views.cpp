#include "client/commands/swarm_views.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/human.hpp"
#include "protocol/api/run.hpp"

namespace swarm::client {
namespace {

std::string short_id(const std::string& commit) { return commit.substr(0, 10); }

std::string progress_of(const api::SwarmTaskCounts& tasks) {
  if (tasks.total == 0) return "-";
  std::string text = fmt::format("{}/{} merged", tasks.merged, tasks.total);
  if (tasks.failed > 0) text += fmt::format(", {} failed", tasks.failed);
  return text;
}

Style style_of_task(api::TaskState state) {
  switch (state) {
    case api::TaskState::done:
      return Style::good;
    case api::TaskState::failed:
    case api::TaskState::dropped:
      return Style::bad;
    case api::TaskState::in_dispute:
    case api::TaskState::blocked:
      return Style::warning;
    case api::TaskState::waiting:
      return Style::faint;
    default:
      return Style::plain;
  }
}

std::string who(const std::string& agent) { return agent.empty() ? "" : agent + " "; }

}  // namespace

bool is_over(api::SwarmState state) {
  return state == api::SwarmState::done || state == api::SwarmState::failed || state == api::SwarmState::ended ||
         state == api::SwarmState::discarded;
}

Style style_of(api::SwarmState state) {
  switch (state) {
    case api::SwarmState::done:
    case api::SwarmState::working:
      return Style::good;
    case api::SwarmState::failed:
      return Style::bad;
    case api::SwarmState::paused:
    case api::SwarmState::ended:
      return Style::warning;
    case api::SwarmState::discarded:
      return Style::faint;
    default:
      return Style::plain;
  }
}

Table swarm_table(const std::vector<api::SwarmInfo>& swarms, WallTime now) {
  Table table({{"NAME"},
               {"STATE"},
               {"STEP"},
               {"AGENTS", Align::right},
               {"TASKS"},
               {"BRANCH", Align::left, Fit::shorten},
               {"AGE", Align::right},
               {"REPOSITORY", Align::left, Fit::shorten}});
  for (const api::SwarmInfo& swarm : swarms) {
    table.add({one_line(swarm.name),
               {name_of(swarm.state), style_of(swarm.state)},
               is_over(swarm.state) ? "-" : name_of(swarm.step),
               std::to_string(swarm.agents.size()),
               progress_of(swarm.tasks),
               swarm.published.empty() ? "-" : one_line(swarm.branch),
               human_age(now, swarm.created_us),
               one_line(swarm.repo)});
  }
  return table;
}

Fields swarm_fields(const api::SwarmInfo& swarm, WallTime now) {
  Fields fields;
  fields.add("Name", one_line(swarm.name), Style::strong);
  fields.add("Id", swarm.id);
  fields.add(
      "State",
      is_over(swarm.state) ? name_of(swarm.state) : fmt::format("{} ({})", name_of(swarm.state), name_of(swarm.step)),
      style_of(swarm.state));
  fields.add("Reason", sanitized(swarm.reason));
  fields.add("Feature", sanitized(swarm.feature));
  if (swarm.repos.empty()) fields.add("Repository", one_line(swarm.repo));
  for (const api::SwarmRepo& repo : swarm.repos) {
    fields.add("Repository",
               fmt::format("{} as {} from {}{}{}", one_line(repo.repo), one_line(repo.name), short_id(repo.base_commit),
                           repo.head.empty() ? "" : ", merged " + short_id(repo.head),
                           repo.published.empty() ? "" : ", branch at " + short_id(repo.published)));
  }
  fields.add("Base", fmt::format("{} ({})", one_line(swarm.base), short_id(swarm.base_commit)));
  fields.add("Branch", swarm.published.empty()
                           ? one_line(swarm.branch) + " (not set yet)"
                           : fmt::format("{} at {}", one_line(swarm.branch), short_id(swarm.published)));
  fields.add("Merged", short_id(swarm.head));
  fields.add("Tasks", progress_of(swarm.tasks));
  fields.add("Test", one_line(swarm.test_command));
  fields.add("Review",
             swarm.review.reviewers == 0 ? "none" : fmt::format("by {} other than the author", swarm.review.reviewers));
  fields.add("Workflow", one_line(swarm.workflow));
  fields.add("Run", swarm.run);
  if (swarm.places.empty()) {
    fields.add("Sandbox", swarm.sandbox.empty() ? "" : fmt::format("{} ({})", swarm.sandbox, one_line(swarm.provider)));
  }
  for (const api::SwarmPlace& place : swarm.places) {
    const std::string agents = fmt::format("{}", fmt::join(place.agents, ", "));
    fields.add("Sandbox", fmt::format("{} ({}) for {}", place.sandbox.empty() ? "none yet" : place.sandbox,
                                      place.provider.empty() ? "-" : one_line(place.provider),
                                      one_line(agents.empty() ? place.name : agents)));
  }
  fields.add("Created", fmt::format("{} ({} ago)", local_time(swarm.created_us), human_age(now, swarm.created_us)));
  if (swarm.ended_us) {
    fields.add("Took", human_duration(std::chrono::milliseconds((*swarm.ended_us - swarm.created_us) / 1000)));
  }
  return fields;
}

Table team_table(const api::SwarmInfo& swarm, const std::vector<api::TaskInfo>& tasks) {
  Table table(
      {{"AGENT"}, {"KIND", Align::left, Fit::shorten}, {"ROLE"}, {"PROGRAM"}, {"WORKS ON", Align::left, Fit::shorten}});
  for (const api::SwarmAgentInfo& agent : swarm.agents) {
    std::vector<std::string> held;
    for (const api::TaskInfo& task : tasks) {
      if (task.state == api::TaskState::claimed && task.agent == agent.id) held.push_back(one_line(task.title));
    }
    table.add({agent.lead ? agent.id + " (lead)" : agent.id, one_line(agent.kind),
               agent.role.empty() ? "any" : one_line(agent.role), agent.state.empty() ? "-" : one_line(agent.state),
               held.empty() ? "-" : fmt::format("{}", fmt::join(held, "; "))});
  }
  return table;
}

Table task_table(const std::vector<api::TaskInfo>& tasks) {
  Table table(
      {{"TASK"}, {"STATE"}, {"AGENT"}, {"TRY", Align::right}, {"TITLE", Align::left, Fit::shorten}, {"MERGED"}});
  for (const api::TaskInfo& task : tasks) {
    table.add({one_line(task.id),
               {name_of(task.state), style_of_task(task.state)},
               one_line(task.agent.value_or("-")),
               std::to_string(task.attempt),
               one_line(task.title),
               task.merged ? short_id(*task.merged) : "-"});
  }
  return table;
}

Table review_table(const std::vector<api::ReviewInfo>& reviews) {
  Table table({{"CHANGE", Align::left, Fit::shorten},
               {"AUTHOR"},
               {"ROUND", Align::right},
               {"STATE"},
               {"REVIEWERS", Align::left, Fit::shorten}});
  for (const api::ReviewInfo& review : reviews) {
    std::vector<std::string> said;
    for (const api::ReviewerInfo& reviewer : review.reviewers) {
      said.push_back(one_line(reviewer.agent) + ": " + (reviewer.verdict ? name_of(*reviewer.verdict) : "asked"));
    }
    table.add({one_line(review.title), one_line(review.author), std::to_string(review.round), name_of(review.state),
               fmt::format("{}", fmt::join(said, ", "))});
  }
  return table;
}

Table proposal_table(const std::vector<api::ProposalInfo>& proposals) {
  Table table({{"QUESTION", Align::left, Fit::shorten}, {"STATE"}, {"DECISION"}, {"VOTES", Align::left, Fit::shorten}});
  for (const api::ProposalInfo& proposal : proposals) {
    std::vector<std::string> cast;
    for (const api::VoteInfo& vote : proposal.votes) {
      cast.push_back(fmt::format("{}: {}", one_line(vote.voter),
                                 vote.abstain ? "abstains" : one_line(fmt::format("{}", fmt::join(vote.choice, ">")))));
    }
    table.add({one_line(proposal.title), name_of(proposal.state),
               proposal.decision.empty() ? "-" : one_line(proposal.decision),
               fmt::format("{}", fmt::join(cast, ", "))});
  }
  return table;
}

Table commit_table(const std::vector<api::SwarmCommit>& commits) {
  const bool several = std::ranges::any_of(commits, [](const api::SwarmCommit& one) { return !one.repos.empty(); });
  std::vector<Column> columns = {{"COMMIT"}, {"AUTHOR"}, {"SUBJECT", Align::left, Fit::shorten}};
  if (several) columns.insert(columns.end() - 1, Column{"IN"});
  Table table(std::move(columns));
  for (const api::SwarmCommit& commit : commits) {
    std::vector<Cell> row = {short_id(commit.commit), one_line(commit.author), one_line(commit.subject)};
    if (several) row.insert(row.end() - 1, one_line(fmt::format("{}", fmt::join(commit.repos, ", "))));
    table.add(std::move(row));
  }
  return table;
}

std::string event_line(const api::Event& event) {
  const std::string agent = one_line(event.agent.value_or(""));
  if (event.type == api::kSwarmState.name) {
    const auto data = data_of<api::SwarmStateChanged>(event);
    if (!data) return {};
    std::string line = data->step == api::SwarmStep::over || is_over(data->to)
                           ? fmt::format("swarm is {}", name_of(data->to))
                           : fmt::format("swarm {}: {}", name_of(data->to), name_of(data->step));
    if (data->reason) line += ": " + one_line(*data->reason);
    return line;
  }
  if (event.type == api::kSwarmLanded.name) {
    const auto data = data_of<api::SwarmLanded>(event);
    return data ? fmt::format("merged {} of {}: {}", short_id(data->commit), one_line(data->author),
                              one_line(data->title))
                : "";
  }
  if (event.type == api::kSwarmMergeRefused.name) {
    const auto data = data_of<api::SwarmMergeRefused>(event);
    if (!data) return {};
    return fmt::format("not merged ({}{}) of {}: {}", one_line(data->outcome),
                       data->paths.empty() ? "" : " in " + one_line(fmt::format("{}", fmt::join(data->paths, ", "))),
                       one_line(data->agent), one_line(data->title));
  }
  if (event.type == api::kTaskChanged.name) {
    const auto data = data_of<api::TaskChanged>(event);
    if (!data) return {};
    std::string line =
        fmt::format("task {}{}: {}", who(one_line(data->agent)), name_of(data->state), one_line(data->title));
    if (data->attempt > 1) line += fmt::format(" (attempt {})", data->attempt);
    return line;
  }
  if (event.type == api::kReviewChanged.name) {
    const auto data = data_of<api::ReviewChanged>(event);
    if (!data) return {};
    if (data->verdict) {
      return fmt::format("review {}{}{}: {}", who(one_line(data->agent)), name_of(*data->verdict),
                         data->findings > 0 ? fmt::format(" with {} findings", data->findings) : "",
                         one_line(data->title));
    }
    return fmt::format("review round {} {}: {}", data->round, name_of(data->state), one_line(data->title));
  }
  if (event.type == api::kProposalChanged.name) {
    const auto data = data_of<api::ProposalChanged>(event);
    if (!data) return {};
    if (data->state == api::ProposalState::open && !data->agent.empty()) {
      return fmt::format("vote {}votes: {}", who(one_line(data->agent)), one_line(data->title));
    }
    return fmt::format("vote {}{}: {}", name_of(data->state),
                       data->decision.empty() ? "" : " '" + one_line(data->decision) + "'",
                       one_line(data->why.empty() ? data->title : data->why));
  }
  if (event.type == api::kRunChanged.name) {
    const auto data = data_of<api::RunChanged>(event);
    if (!data || data->phase.empty()) return {};
    return fmt::format("run {} in phase {}{}", name_of(data->state), one_line(data->phase),
                       data->reason.empty() ? "" : ": " + one_line(data->reason));
  }
  if (event.type == api::kShipmentChanged.name) {
    const auto data = data_of<api::ShipmentChanged>(event);
    if (!data) return {};
    std::string line = fmt::format("shipment {}", name_of(data->state));
    if (!data->reason.empty()) line += ": " + one_line(data->reason);
    if (!data->urls.empty()) line += ": " + one_line(fmt::format("{}", fmt::join(data->urls, ", ")));
    return line;
  }
  if (event.type == api::kHumanNotice.name) {
    const auto data = data_of<api::HumanNotice>(event);
    return data ? "look: " + one_line(data->text) : "";
  }
  if (event.type.starts_with("human.")) return fmt::format("{}: a person is asked; 'swarmctl human ls'", event.type);
  return {};
}

Style event_style(const api::Event& event) {
  if (event.type == api::kSwarmLanded.name) return Style::good;
  if (event.type == api::kSwarmMergeRefused.name) return Style::warning;
  if (event.type == api::kHumanNotice.name) return Style::bad;
  if (event.type == api::kReviewChanged.name) {
    const auto data = data_of<api::ReviewChanged>(event);
    if (data && data->verdict && *data->verdict != api::Verdict::approve) return Style::warning;
  }
  if (event.type == api::kSwarmState.name) {
    const auto data = data_of<api::SwarmStateChanged>(event);
    if (data && data->to == api::SwarmState::failed) return Style::bad;
  }
  return Style::plain;
}

}  // namespace swarm::client
