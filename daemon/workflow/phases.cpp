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
using api::TaskState;

bool over(PhaseState state) { return state == PhaseState::done || state == PhaseState::skipped; }

void end(Turn& turn, Case& c, api::PhaseInfo& phase, PhaseState state, std::string note) {
  phase.state = state;
  phase.ended_us = turn.wall_us();
  if (!note.empty()) phase.note = std::move(note);
  c.changed = true;
}

void begin(Turn& turn, Case& c, api::PhaseInfo& phase) {
  phase.state = PhaseState::running;
  phase.started_us = turn.wall_us();
  phase.ended_us.reset();
  ++phase.round;
  c.changed = true;
}

/// Tasks of phases that have begun and whose needs are done become ready.
void make_ready(Turn& turn, Case& c) {
  std::vector<Task> tasks = tasks_of(turn, c.run.id);
  std::set<std::string> done;
  for (const Task& task : tasks) {
    if (task.state == TaskState::done) done.insert(task.id);
  }
  for (Task& task : tasks) {
    if (task.state != TaskState::waiting) continue;
    const api::PhaseInfo* phase = c.phase(task.phase);
    // A task that was added in a phase that is over still has to be done.
    if (phase == nullptr || phase->state == PhaseState::pending) continue;
    const bool can = std::ranges::all_of(task.needs, [&](const std::string& need) { return done.contains(need); });
    if (can) set_state(turn, c, task, TaskState::ready, "");
  }
}

/// Tells agents that have nothing to do of tasks that nobody was told of yet.
void offer(Turn& turn, Case& c) {
  std::vector<Task> tasks = tasks_of(turn, c.run.id);
  const auto fresh = [](const Task& task) { return task.state == TaskState::ready && task.offered <= task.attempt; };
  if (std::ranges::none_of(tasks, fresh)) return;
  for (const api::RunAgent& agent : c.present()) {
    const bool busy = std::ranges::any_of(tasks, [&](const Task& task) {
      return task.agent == agent.name && (task.state == TaskState::claimed || task.state == TaskState::blocked);
    });
    if (busy) continue;
    const Task* best = best_task(c, tasks, agent.name);
    if (best == nullptr || !fresh(*best)) continue;
    Task& task = *std::ranges::find(tasks, best->id, &Task::id);
    task.offered = task.attempt + 1;
    save(turn, task);
    intend_prompt(turn, c, fmt::format("prompt:{}:{}:offer", task.id, task.attempt + 1), agent.name, task.id,
                  fmt::format("There is work for you: '{}'. `swarm task next` gives it to you.", task.title));
  }
}

/// One merge at a time; dependencies first, and with the order `task` those with lower numbers.
void move_queue(Turn& turn, Case& c) {
  const Phase* phase = c.definition.phase(PhaseKind::integrate);
  if (phase == nullptr) return;
  for (const Step& step : open_steps(turn, c.run.id)) {
    if (step.kind == "merge") return;
  }
  const std::vector<Task> tasks = tasks_of(turn, c.run.id);
  const bool in_order = c.run.order.value_or(phase->order) == api::MergeOrder::task;
  for (const Task& task : tasks) {
    if (!is_work(task)) continue;
    if (task.state == TaskState::merging) {
      std::vector<std::pair<std::string, std::string>> trailers = {
          {"Swarm-Task", task.id}, {"Swarm-Run", c.run.id}, {"Swarm-Attempt", std::to_string(task.attempt)}};
      for (const std::string& by : task.approved_by) trailers.emplace_back("Reviewed-by", by);
      intend(turn, c, fmt::format("merge:{}:{}", task.id, task.attempt), "merge", task.id,
             to_value(
                 Merge{.task = task.id,
                       .attempt = task.attempt,
                       .agent = task.attempts.back().agent,
                       .commit = task.commit.value_or(""),
                       .message = task.summary.empty() ? task.title : fmt::format("{}\n\n{}", task.title, task.summary),
                       .trailers = std::move(trailers),
                       .test_command = phase->command.empty() ? c.run.test_command : phase->command,
                       .timeout = phase->timeout}));
      return;
    }
    // With the order `task` a later one waits for this, unless this one waits for it.
    if (in_order && !terminal(task.state)) {
      const std::vector<std::string> needs = all_needs(tasks, task);
      const bool waits_for_later = std::ranges::any_of(tasks, [&](const Task& other) {
        return other.number > task.number && !terminal(other.state) &&
               std::ranges::find(needs, other.id) != needs.end();
      });
      if (!waits_for_later) return;
    }
  }
}

void begin_answer(Turn& turn, Case& c, const Phase& phase, api::PhaseInfo& info) {
  begin(turn, c, info);
  c.run.phase = phase.name;
  const std::map<std::string, std::string> values = values_of(turn, c);
  const std::string title = phase.title.empty() ? phase.name : filled_in(phase.title, values);
  std::vector<std::string> who = {""};
  if (phase.each) {
    who.clear();
    for (const api::RunAgent& agent : c.present()) {
      if (phase.role.empty() || agent.role == phase.role) who.push_back(agent.name);
    }
    if (who.empty()) who = {""};
  }
  for (const std::string& agent : who) {
    api::TaskAddRequest request{.title = agent.empty() ? title : fmt::format("{} ({})", title, agent),
                                .kind = api::TaskKind::answer,
                                .role = agent.empty() ? phase.role : ""};
    Result<Task> task = add_task(turn, c, "swarm", request);
    if (!task) return fail_run(turn, c, fmt::format("the phase '{}': {}", phase.name, task.error().message));
    if (agent.empty()) continue;
    task->reserved = agent;
    save(turn, *task);
    const auto span = std::chrono::duration_cast<std::chrono::microseconds>(c.definition.reserve).count();
    turn.set_due(Due::reserved, task->id, c.run.id, turn.now_us() + span);
  }
}

void go_on_answer(Turn& turn, Case& c, api::PhaseInfo& info) {
  int answered = 0;
  for (const Task& task : tasks_of(turn, c.run.id)) {
    if (task.phase != info.name || task.kind != api::TaskKind::answer) continue;
    if (task.state == TaskState::failed || !terminal(task.state)) return;
    if (task.state == TaskState::done) ++answered;
  }
  end(turn, c, info, PhaseState::done, fmt::format("{} answered", answered));
}

void begin_test(Turn& turn, Case& c, const Phase& phase, api::PhaseInfo& info) {
  begin(turn, c, info);
  const std::string command = phase.command.empty() ? c.run.test_command : phase.command;
  if (command.empty()) return end(turn, c, info, PhaseState::skipped, "there is no test command");
  intend(turn, c, fmt::format("test:{}:{}", phase.name, info.round), "test", "",
         to_value(Test{.commit = c.run.head, .command = command, .timeout = phase.timeout}));
}

void begin_gate(Turn& turn, Case& c, const Phase& phase, api::PhaseInfo& info) {
  begin(turn, c, info);
  Question question{};
  question.kind = api::QuestionKind::gate;
  question.asked_by = "swarm";
  question.text = filled_in(phase.prompt, values_of(turn, c));
  question.fallback = phase.fallback;
  question.phase = phase.name;
  ask(turn, c, question, phase.deadline);
}

void begin_delivery(Turn& turn, Case& c, const Phase& phase, api::PhaseInfo& info) {
  begin(turn, c, info);
  if (c.run.head.empty()) return end(turn, c, info, PhaseState::skipped, "nothing was merged");
  std::string body = fmt::format("{}\n\n", c.run.feature);
  for (const Task& task : tasks_of(turn, c.run.id)) {
    if (!task.merged) continue;
    body += fmt::format("- {} ({}", task.title, task.attempts.empty() ? "" : task.attempts.back().agent);
    if (!task.approved_by.empty()) body += fmt::format("; approved by {}", fmt::join(task.approved_by, ", "));
    body += ")\n";
  }
  if (!c.run.last_test.empty()) body += fmt::format("\nTests: {}.\n", c.run.last_test);
  std::string title = filled_in(phase.title.empty() ? "{{feature}}" : phase.title, values_of(turn, c));
  title = title.substr(0, title.find('\n'));
  intend(
      turn, c, "deliver:" + phase.name, "deliver", "",
      to_value(Deliver{.commit = c.run.head, .title = std::string(utf8_prefix(title, 200)), .body = std::move(body)}));
}

/// Where the phases stand through which tasks go one by one. True when all are through.
bool go_on_stages(Turn& turn, Case& c) {
  const std::vector<Task> tasks = tasks_of(turn, c.run.id);
  std::size_t work = 0;
  std::size_t done = 0;
  std::size_t open = 0;
  for (const Task& task : tasks) {
    if (!is_work(task)) continue;
    ++work;
    if (task.state == TaskState::done) ++done;
    if (task.state == TaskState::failed || !terminal(task.state)) ++open;
  }
  if (work == 0) {
    fail_run(turn, c, "there is nothing to do: no task was added");
    return false;
  }
  const std::vector<Review> reviews = reviews_of(turn, c.run.id);
  for (const Phase& phase : c.definition.phases) {
    if (!is_stage(phase.kind)) continue;
    api::PhaseInfo& info = *c.phase(phase.name);
    const bool used =
        phase.kind == PhaseKind::implement || (phase.kind == PhaseKind::review && !reviews.empty()) ||
        (phase.kind == PhaseKind::consensus &&
         std::ranges::any_of(reviews,
                             [](const Review& review) { return review.state == api::ReviewState::challenged; })) ||
        (phase.kind == PhaseKind::integrate &&
         std::ranges::any_of(tasks, [](const Task& task) { return task.state == TaskState::merging || task.merged; }));
    if (used && info.state == PhaseState::pending) begin(turn, c, info);
    if (open > 0) continue;
    end(turn, c, info, used ? PhaseState::done : PhaseState::skipped, fmt::format("{} of {} tasks", done, work));
  }
  if (open > 0) return false;
  if (done == 0) {
    fail_run(turn, c, "nothing was done: every task was left out");
    return false;
  }
  return true;
}

/// Goes from phase to phase as far as possible.
void go_on(Turn& turn, Case& c) {
  for (const Phase& phase : c.definition.phases) {
    api::PhaseInfo& info = *c.phase(phase.name);
    if (over(info.state)) continue;
    if (is_stage(phase.kind)) {
      if (info.state == PhaseState::pending && phase.kind == PhaseKind::implement) begin(turn, c, info);
      if (!go_on_stages(turn, c)) break;
      continue;
    }
    if (info.state == PhaseState::pending) {
      switch (phase.kind) {
        case PhaseKind::answer:
          begin_answer(turn, c, phase, info);
          break;
        case PhaseKind::test:
          begin_test(turn, c, phase, info);
          break;
        case PhaseKind::approve:
          begin_gate(turn, c, phase, info);
          break;
        case PhaseKind::deliver:
          begin_delivery(turn, c, phase, info);
          break;
        default:
          break;
      }
    }
    if (c.over()) return;
    if (phase.kind == PhaseKind::answer && info.state == PhaseState::running) go_on_answer(turn, c, info);
    if (!over(info.state)) break;
  }
}

/// Whether nothing goes on but what a person has to do.
bool only_waits(Turn& turn, const Case& c) {
  const std::vector<Question> questions = questions_of(turn, c.run.id);
  const bool asked = std::ranges::any_of(questions, [](const Question& question) {
    return question.state == api::QuestionState::open && question.kind != api::QuestionKind::question;
  });
  if (!asked) return false;
  for (const Task& task : tasks_of(turn, c.run.id)) {
    const bool waits = terminal(task.state) || task.state == TaskState::waiting ||
                       task.state == TaskState::in_dispute || task.state == TaskState::in_review;
    if (!waits) return false;
  }
  for (const Review& review : reviews_of(turn, c.run.id)) {
    if (review.state == api::ReviewState::open) return false;
  }
  for (const Proposal& proposal : proposals_of(turn, c.run.id)) {
    if (proposal.state == api::ProposalState::open) return false;
  }
  return true;
}

}  // namespace

bool mend(Turn& turn, Case& c, const std::string& title, const std::string& body, api::PhaseInfo& phase) {
  if (c.definition.phase(PhaseKind::implement) == nullptr) return false;
  api::TaskAddRequest request{.title = title, .body = std::string(utf8_prefix(body, 60'000)), .priority = 100};
  Result<Task> task = add_task(turn, c, "swarm", request);
  if (!task) return false;
  // From implementation to the phase that sent it back, everything is done once more.
  bool within = false;
  for (const Phase& each : c.definition.phases) {
    within = within || each.kind == PhaseKind::implement;
    api::PhaseInfo& info = *c.phase(each.name);
    if (within && each.kind != PhaseKind::answer) info.state = PhaseState::pending;
    if (&info == &phase) break;
  }
  c.changed = true;
  return true;
}

void settle(Turn& turn, Case& c) {
  if (!c.over() && c.run.state != RunState::paused) {
    const std::string phase_before = c.run.phase;
    const RunState state_before = c.run.state;
    const std::string head_before = c.run.head;
    go_on(turn, c);
    if (!c.over()) {
      make_ready(turn, c);
      move_queue(turn, c);
      offer(turn, c);
      const auto current =
          std::ranges::find_if(c.run.phases, [](const api::PhaseInfo& phase) { return !over(phase.state); });
      if (current == c.run.phases.end()) {
        c.run.state = RunState::done;
        c.run.reason.clear();
        c.run.ended_us = turn.wall_us();
        turn.clear_due(Due::run, c.run.id);
      } else {
        c.run.phase = current->name;
        const bool waits = only_waits(turn, c);
        c.run.state = waits ? RunState::waiting : RunState::running;
        c.run.reason = waits ? "a person has to decide; `swarmctl human ls` says what" : "";
      }
      if (c.run.phase != phase_before || c.run.state != state_before) {
        c.changed = true;
        tell_run(turn, c);
      }
      if (c.run.head != head_before) c.changed = true;
    }
  }
  turn.touch(c.run.id);
  save(turn, c);
}

void due(Turn& turn, Case& c, Due kind, const std::string& id) {
  switch (kind) {
    case Due::lease: {
      auto task = load_task(turn, id);
      if (!task || (task->state != TaskState::claimed && task->state != TaskState::blocked)) break;
      if (const auto since = offline_since(turn, c.run.swarm)) {
        const std::int64_t end_us = *since + std::chrono::microseconds(kMaxOffline).count();
        if (turn.now_us() < end_us) return turn.set_due(kind, id, c.run.id, end_us);
      }
      const std::string agent = task->agent.value_or("");
      send_back(turn, c, *task, "expired", fmt::format("{} was not heard of in time", agent));
      intend_prompt(turn, c, fmt::format("prompt:{}:{}:expired", task->id, task->attempt), agent, task->id,
                    fmt::format("Your lease on '{}' is over; it is for others now. Say `swarm task progress` in time.",
                                task->title));
      break;
    }
    case Due::reserved:
      if (auto task = load_task(turn, id); task && !task->reserved.empty()) {
        task->reserved.clear();
        task->offered = 0;
        save(turn, *task);
      }
      break;
    case Due::reviewer: {
      const std::size_t slash = id.find('/');
      auto review = load_review(turn, id.substr(0, slash));
      if (review && slash != std::string::npos) {
        replace_reviewer(turn, c, *review, id.substr(slash + 1), "did not answer in time");
      }
      break;
    }
    case Due::proposal:
      if (auto proposal = load_proposal(turn, id)) close_proposal(turn, c, *proposal);
      break;
    case Due::question:
      if (auto question = load_question(turn, id)) expire_question(turn, c, *question);
      break;
    case Due::run:
      fail_run(turn, c, "its time is up ([limits] run)");
      break;
    case Due::step:
      break;  // the engine tries it again
  }
  turn.clear_due(kind, id);
}

}  // namespace swarm::workflow
