#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/workflow/flow.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {

std::map<std::string, std::string> values_of(Turn& turn, const Case& c) {
  std::map<std::string, std::string> out = c.run.variables;
  out["feature"] = c.run.feature;
  out["run"] = c.run.id;
  out["swarm"] = c.run.swarm;
  out["test_command"] = c.run.test_command;
  for (const Phase& phase : c.definition.phases) {
    if (phase.kind == PhaseKind::answer) out["answer." + phase.name];
  }
  for (const Task& task : tasks_of(turn, c.run.id)) {
    if (task.kind != api::TaskKind::answer || task.answer.empty() || task.attempts.empty()) continue;
    std::string& text = out["answer." + task.phase];
    if (!text.empty()) text += "\n\n";
    const auto phase = std::ranges::find(c.definition.phases, task.phase, &Phase::name);
    if (phase != c.definition.phases.end() && phase->each) text += task.attempts.back().agent + ":\n";
    text += task.answer;
  }
  return out;
}

std::string task_prompt(Turn& turn, const Case& c, const Task& task, const std::string& agent) {
  std::map<std::string, std::string> values = values_of(turn, c);
  const api::RunAgent* self = c.agent(agent);
  values["agent"] = agent;
  values["role"] = self == nullptr ? "" : self->role;
  values["task"] = task.id;
  values["title"] = task.title;
  values["body"] = task.body;
  values["attempt"] = std::to_string(task.attempt);
  values["reason"] =
      task.reason.empty() || task.attempt <= 1
          ? task.reason
          : fmt::format("This is attempt {}. What was wrong with the one before:\n{}", task.attempt, task.reason);
  const auto phase = std::ranges::find(c.definition.phases, task.phase, &Phase::name);
  const std::string text = phase == c.definition.phases.end() ? "" : phase->prompt;
  if (text.empty()) return fmt::format("{}\n\n{}\n\n{}", task.title, task.body, values["reason"]);
  return filled_in(text, values);
}

std::string review_prompt(Turn& turn, const Case& c, const Review& review, const std::string& agent) {
  std::map<std::string, std::string> values = values_of(turn, c);
  const api::RunAgent* self = c.agent(agent);
  values["agent"] = agent;
  values["role"] = self == nullptr ? "" : self->role;
  values["task"] = review.task;
  values["title"] = review.title;
  values["summary"] = review.summary;
  values["review"] = review.id;
  values["commit"] = review.commit;
  const Phase* phase = c.definition.phase(PhaseKind::review);
  const std::string fallback = "Review '{{title}}' (commit {{commit}}): `swarm review show {{review}}`.";
  return filled_in(phase == nullptr || phase->prompt.empty() ? fallback : phase->prompt, values);
}

std::string vote_prompt(const Proposal& proposal) {
  const std::string_view how = proposal.method == api::VoteMethod::ranked     ? "the best first, separated by commas"
                               : proposal.method == api::VoteMethod::approval ? "all that will do, separated by commas"
                                                                              : "one of them";
  return fmt::format("{}\n\n{}\n\nOptions: {}. Vote with `swarm vote cast {} CHOICE --reason TEXT` ({}).",
                     proposal.title, proposal.body, fmt::join(proposal.options, ", "), proposal.id, how);
}

std::string brief(Turn& turn, const Case& c, const api::RunAgent& agent) {
  std::map<std::string, std::string> values = values_of(turn, c);
  values["agent"] = agent.name;
  values["role"] = agent.role.empty() ? "any role" : agent.role;
  const std::string fallback =
      "You are {{agent}} ({{role}}) in a team of agents. What the team shall do: {{feature}}\n"
      "Ask for work with `swarm task next --wait 10m`, do it, hand it in as it says, and ask again until the run has "
      "ended.";
  return filled_in(c.definition.brief.empty() ? fallback : c.definition.brief, values);
}

}  // namespace swarm::workflow
