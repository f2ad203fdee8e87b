#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "daemon/workflow/codec.hpp"
#include "daemon/workflow/flow.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {
namespace {

using api::PhaseState;
using api::RunState;
using store::Sql;

constexpr Sql kMoveDue{"workflow.move_due", "UPDATE wf_due SET due_us = due_us + ? WHERE run = ?"};
constexpr Sql kClearRun{"workflow.clear_run_due", "DELETE FROM wf_due WHERE run = ?"};
constexpr Sql kPassed{"workflow.passed",
                      "SELECT d.kind, d.id, d.run FROM wf_due d JOIN wf_runs r ON r.id = d.run"
                      " WHERE d.due_us <= ? AND r.active = 1 ORDER BY d.due_us, d.kind, d.id LIMIT 100"};
constexpr Sql kOffline{"workflow.offline",
                       "INSERT INTO wf_offline (swarm, since_us) VALUES (?, ?)"
                       " ON CONFLICT (swarm) DO NOTHING"};
constexpr Sql kOfflineSince{"workflow.offline_since", "SELECT since_us FROM wf_offline WHERE swarm = ?"};
constexpr Sql kOnline{"workflow.online", "DELETE FROM wf_offline WHERE swarm = ?"};
constexpr Sql kMoveLeases{"workflow.move_leases",
                          "UPDATE wf_due SET due_us = due_us + ? WHERE kind = ?"
                          " AND run IN (SELECT id FROM wf_runs WHERE swarm = ? AND active > 0)"};

void set_state(Turn& turn, Case& c, RunState state, std::string reason) {
  c.run.state = state;
  c.run.reason = std::move(reason);
  if (c.over()) c.run.ended_us = turn.wall_us();
  c.changed = true;
  tell_run(turn, c);
}

Result<void> check_agents(const std::vector<api::RunAgent>& agents) {
  std::set<std::string> names;
  int leads = 0;
  for (const api::RunAgent& agent : agents) {
    if (!names.insert(agent.name).second) {
      return fail(Code::invalid_argument, fmt::format("agents: '{}' is listed twice", swarm::shown(agent.name)));
    }
    if (agent.lead) ++leads;
  }
  if (leads > 1) return fail(Code::invalid_argument, "agents: more than one leads");
  return {};
}

}  // namespace

void tell_run(Turn& turn, const Case& c) {
  turn.tell(api::kRunChanged, c.where(),
            {.run = c.run.id,
             .state = c.run.state,
             .phase = c.run.phase,
             .reason = std::string(utf8_prefix(c.run.reason, 1000)),
             .head = c.run.head});
}

Result<Case> start_run(Turn& turn, const RunSpec& spec) {
  Result<Definition> definition = read_definition(spec.definition);
  if (!definition) return fail(definition.error());
  for (const Run& other : list_runs(turn, spec.swarm, false, 1, INT64_MAX)) {
    return fail(Code::failed_precondition,
                fmt::format("the run {} of this swarm is under way; `swarmctl run cancel` ends it", other.id));
  }
  const api::RunStartRequest& request = spec.request;
  set_review(*definition, request.reviewers, request.rounds);
  if (auto good = check_agents(request.agents); !good) return fail(good.error());
  std::vector<std::string> missing;
  for (const std::string& name : describe_workflow(*definition, "").variables) {
    if (!request.variables.contains(name)) missing.push_back(name);
  }
  if (!missing.empty()) {
    return fail(Code::invalid_argument,
                fmt::format("the workflow asks for: {}; give each in 'variables'", fmt::join(missing, ", ")));
  }
  if (request.order == api::MergeOrder::unknown) {
    return fail(Code::invalid_argument, "order: takes 'task' or 'ready'");
  }
  Case c{.run = {}, .definition = std::move(*definition)};
  c.run.id = turn.make_id("run");
  c.run.swarm = spec.swarm;
  c.run.workflow = c.definition.name;
  c.run.definition = spec.definition;
  c.run.feature = request.feature;
  c.run.test_command = request.test_command;
  c.run.agents = request.agents;
  c.run.variables = request.variables;
  c.run.order = request.order;
  c.run.reviewers = request.reviewers;
  c.run.rounds = request.rounds;
  c.run.state = RunState::running;
  c.run.created_us = turn.wall_us();
  for (const Phase& phase : c.definition.phases) {
    c.run.phases.push_back(
        {.name = phase.name, .kind = std::string(kind_name(phase.kind)), .state = PhaseState::pending});
  }
  c.run.phase = c.run.phases.front().name;
  c.changed = true;
  save(turn, c.run);
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(c.definition.run_limit).count();
  if (limit > 0) turn.set_due(Due::run, c.run.id, c.run.id, turn.now_us() + limit);
  tell_run(turn, c);
  for (const api::RunAgent& agent : c.run.agents) {
    intend(turn, c, "start:" + agent.name, "start", "",
           to_value(StartAgent{.agent = agent.name, .role = agent.role, .brief = brief(turn, c, agent)}));
  }
  settle(turn, c);
  return c;
}

Result<void> pause_run(Turn& turn, Case& c, const std::string& reason) {
  if (c.over()) return fail(Code::failed_precondition, "the run is over");
  if (c.run.state == RunState::paused) return {};
  c.run.paused_at_us = turn.now_us();
  set_state(turn, c, RunState::paused, reason);
  return {};
}

Result<void> resume_run(Turn& turn, Case& c) {
  if (c.run.state != RunState::paused) return fail(Code::failed_precondition, "the run is not halted");
  turn.run(kMoveDue, turn.now_us() - c.run.paused_at_us, c.run.id);
  c.run.paused_at_us = 0;
  set_state(turn, c, RunState::running, "");
  return {};
}

Result<void> cancel_run(Turn& turn, Case& c, const std::string& reason) {
  if (c.over()) return fail(Code::failed_precondition, "the run is over");
  set_state(turn, c, RunState::cancelled, reason);
  turn.run(kClearRun, c.run.id);
  for (Step& step : open_steps(turn, c.run.id)) {
    step.state = PhaseState::skipped;
    step.ended_us = turn.wall_us();
    save(turn, step);
  }
  for (Question& question : questions_of(turn, c.run.id)) {
    if (question.state != api::QuestionState::open) continue;
    question.state = api::QuestionState::withdrawn;
    question.closed_us = turn.wall_us();
    save(turn, question);
  }
  for (Proposal& proposal : proposals_of(turn, c.run.id)) {
    if (proposal.state != api::ProposalState::open && proposal.state != api::ProposalState::waiting) continue;
    proposal.state = api::ProposalState::withdrawn;
    proposal.closed_us = turn.wall_us();
    save(turn, proposal);
  }
  return {};
}

void fail_run(Turn& turn, Case& c, const std::string& reason) {
  if (c.over()) return;
  c.run.paused_at_us = turn.now_us();  // its deadlines stand still until it is retried
  set_state(turn, c, RunState::failed, reason);
}

Result<void> retry_run(Turn& turn, Case& c) {
  if (c.run.state != RunState::failed) return fail(Code::failed_precondition, "the run has not failed");
  for (const Run& other : list_runs(turn, c.run.swarm, false, 1, INT64_MAX)) {
    return fail(Code::failed_precondition, fmt::format("the run {} of this swarm is under way", other.id));
  }
  if (c.present().empty()) {
    // Everybody left: they are asked back.
    c.run.gone.clear();
  }
  turn.run(kMoveDue, turn.now_us() - c.run.paused_at_us, c.run.id);
  if (const auto due = turn.due(Due::run, c.run.id); due && *due <= turn.now_us()) {
    const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(c.definition.run_limit).count();
    turn.set_due(Due::run, c.run.id, c.run.id, turn.now_us() + limit);
  }
  c.run.paused_at_us = 0;
  c.run.ended_us.reset();
  set_state(turn, c, RunState::running, "");
  for (Step& step : steps_of(turn, c.run.id, 0, UINT32_MAX)) {
    if (step.state != PhaseState::failed) continue;
    if (step.kind == "prompt" || step.kind == "notify" || step.kind == "inspect") continue;
    if (step.kind == "start" && !c.here(string_of(step.input, "agent"))) continue;
    step.state = PhaseState::running;
    step.ended_us.reset();
    save(turn, step);
  }
  for (api::PhaseInfo& phase : c.run.phases) {
    if (phase.state != PhaseState::failed) continue;
    phase.state = PhaseState::pending;  // begins another round
    c.run.mended = 0;
  }
  for (Task& task : tasks_of(turn, c.run.id)) {
    if (task.state != api::TaskState::failed) continue;
    task.max_attempts = task.attempt + c.definition.attempts;
    task.avoid.clear();
    workflow::set_state(turn, c, task, api::TaskState::ready, task.reason);
  }
  for (Question& question : questions_of(turn, c.run.id)) {
    if (question.state != api::QuestionState::open || question.kind != api::QuestionKind::stuck) continue;
    question.state = api::QuestionState::withdrawn;
    question.closed_us = turn.wall_us();
    turn.clear_due(Due::question, question.id);
    save(turn, question);
  }
  return {};
}

Result<void> change_feature(Turn& turn, Case& c, const std::string& feature) {
  if (c.over()) return fail(Code::failed_precondition, "the run is over");
  c.run.feature = feature;
  const std::uint64_t number = c.number();
  tell_run(turn, c);
  for (const api::RunAgent& agent : c.present()) {
    intend_prompt(turn, c, fmt::format("prompt:feature:{}:{}", number, agent.name), agent.name, "",
                  "What the team shall make has changed. It is now:\n" + feature);
  }
  return {};
}

void agent_gone(Turn& turn, Case& c, const std::string& agent, const std::string& why) {
  if (!c.here(agent)) return;
  c.run.gone.push_back(agent);
  c.changed = true;
  for (Task& task : tasks_of(turn, c.run.id)) {
    if (task.reserved == agent) {
      task.reserved.clear();
      turn.clear_due(Due::reserved, task.id);
      save(turn, task);
    }
    const bool held = task.state == api::TaskState::claimed || task.state == api::TaskState::blocked;
    if (held && task.agent == agent) send_back(turn, c, task, "gone", why);
  }
  for (Review& review : reviews_of(turn, c.run.id)) replace_reviewer(turn, c, review, agent, why);
  for (Proposal& proposal : proposals_of(turn, c.run.id)) close_if_all_voted(turn, c, proposal);
  if (c.present().empty()) fail_run(turn, c, fmt::format("no agent is left; the last, {}: {}", agent, why));
}

void agent_here(Turn& turn, Case& c, const api::RunAgent& agent) {
  c.changed = true;
  std::erase(c.run.gone, agent.name);
  const auto at = std::ranges::find(c.run.agents, agent.name, &api::RunAgent::name);
  if (at == c.run.agents.end()) {
    c.run.agents.push_back(agent);
  } else {
    *at = agent;
  }
  tell_run(turn, c);
}

void went_offline(Turn& turn, const std::string& swarm) { turn.run(kOffline, swarm, turn.now_us()); }

std::optional<std::int64_t> offline_since(Turn& turn, const std::string& swarm) {
  const auto row = turn.one<std::int64_t>(kOfflineSince, swarm);
  return row ? std::optional(std::get<0>(*row)) : std::nullopt;
}

void came_online(Turn& turn, const std::string& swarm) {
  const auto since = offline_since(turn, swarm);
  if (!since) return;
  turn.run(kOnline, swarm);
  const std::int64_t span =
      std::min<std::int64_t>(turn.now_us() - *since, std::chrono::microseconds(kMaxOffline).count());
  for (const Due kind : {Due::lease, Due::reserved}) turn.run(kMoveLeases, span, static_cast<int>(kind), swarm);
}

std::vector<std::tuple<Due, std::string, std::string>> passed(Turn& turn) {
  std::vector<std::tuple<Due, std::string, std::string>> out;
  for (auto& [kind, id, run] : turn.all<int, std::string, std::string>(kPassed, turn.now_us())) {
    out.emplace_back(static_cast<Due>(kind), std::move(id), std::move(run));
  }
  return out;
}

}  // namespace swarm::workflow
