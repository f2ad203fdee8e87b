#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "daemon/workflow/flow.hpp"
#include "protocol/coord/pattern.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {
namespace {

using api::TaskKind;
using api::TaskState;
using std::chrono::duration_cast;
using std::chrono::microseconds;

std::int64_t after(const Turn& turn, std::chrono::milliseconds span) {
  return turn.now_us() + duration_cast<microseconds>(span).count();
}

void end_attempt(const Turn& turn, Task& task, const std::string& outcome, const std::string& reason) {
  if (task.attempts.empty() || task.attempts.back().ended_us) return;
  api::TaskAttempt& attempt = task.attempts.back();
  attempt.ended_us = turn.wall_us();
  attempt.outcome = outcome;
  attempt.reason = reason;
  if (task.commit) attempt.commit = task.commit;
}

/// All attempts are used up.
void stuck(Turn& turn, Case& c, Task& task, const std::string& reason) {
  set_state(turn, c, task, TaskState::failed, reason);
  const std::string text =
      fmt::format("The task '{}' failed {} times; last: {}", task.title, task.attempt, utf8_prefix(reason, 2000));
  if (c.definition.on_stuck == "drop") return drop_now(turn, c, task, reason);
  if (c.definition.on_stuck == "fail") return fail_run(turn, c, text);
  Question question{};
  question.kind = api::QuestionKind::stuck;
  question.asked_by = "swarm";
  question.text = text + "\nApprove to let it be tried again; your words are told to who does. Reject to leave it out.";
  question.fallback = "reject";
  question.task = task.id;
  ask(turn, c, question, c.definition.ask);
}

/// Refuses everybody but the one who has the task.
Result<void> held_by(const Task& task, const std::string& agent) {
  const bool held = task.state == TaskState::claimed || task.state == TaskState::blocked;
  if (held && task.agent == agent) return {};
  if (held) {
    return fail(Code::failed_precondition,
                fmt::format("'{}' is attempt {} of {} now; `swarm task next` gives you other work", task.title,
                            task.attempt, *task.agent));
  }
  return fail(Code::failed_precondition,
              fmt::format("you do not have '{}' (it is at attempt {}); `swarm task next` gives you work", task.title,
                          task.attempt));
}

/// The id of a task of the run that somebody named by id, prefix or title.
Result<std::string> named_task(const std::vector<Task>& tasks, const std::string& name) {
  std::vector<std::string> titles;
  const Task* found = nullptr;
  for (const Task& task : tasks) {
    if (task.id == name || task.title == name) return task.id;
    if (task.id.starts_with(name) && name.size() >= 5) {
      if (found != nullptr) return fail(Code::invalid_argument, fmt::format("'{}' begins the ids of several", name));
      found = &task;
    }
    titles.push_back(task.title);
  }
  if (found != nullptr) return found->id;
  return fail(Code::not_found,
              fmt::format("no task '{}' in this run{}", swarm::shown(name), did_you_mean(name, titles)));
}

}  // namespace

bool terminal(TaskState state) {
  return state == TaskState::done || state == TaskState::failed || state == TaskState::dropped;
}

bool is_work(const Task& task) { return task.kind == TaskKind::change || task.kind == TaskKind::fix; }

std::vector<std::string> all_needs(const std::vector<Task>& tasks, const Task& task) {
  std::set<std::string> seen;
  std::vector<std::string> open = task.needs;
  while (!open.empty()) {
    const std::string id = std::move(open.back());
    open.pop_back();
    if (!seen.insert(id).second) continue;
    const auto at = std::ranges::find(tasks, id, &Task::id);
    if (at != tasks.end()) open.insert(open.end(), at->needs.begin(), at->needs.end());
  }
  return {seen.begin(), seen.end()};
}

void set_state(Turn& turn, Case& c, Task& task, TaskState state, std::string reason) {
  task.state = state;
  task.reason = std::move(reason);
  task.changed_us = turn.wall_us();
  if (state != TaskState::claimed && state != TaskState::blocked) turn.clear_due(Due::lease, task.id);
  save(turn, task);
  turn.tell(api::kTaskChanged, c.where(task.id, task.agent.value_or("")),
            {.task = task.id,
             .title = task.title,
             .state = state,
             .agent = task.agent.value_or(""),
             .attempt = task.attempt,
             .reason = std::string(utf8_prefix(task.reason, 500))});
}

Result<Task> add_task(Turn& turn, Case& c, const std::string& creator, const api::TaskAddRequest& request) {
  if (c.over()) return fail(Code::failed_precondition, "the run is over; `swarmctl run retry` lets a failed one go on");
  std::vector<Task> tasks = tasks_of(turn, c.run.id);
  if (tasks.size() >= c.definition.tasks) {
    return fail(Code::resource_exhausted,
                fmt::format("the run has {} tasks, as many as its workflow allows ([limits] tasks)", tasks.size()));
  }
  const Phase* stage = c.definition.phase(PhaseKind::implement);
  if (request.kind != TaskKind::answer && stage == nullptr) {
    return fail(Code::failed_precondition,
                "this workflow has no phase of the kind 'implement'; only answers can be asked for");
  }
  if (request.kind == TaskKind::unknown) return fail(Code::invalid_argument, "kind: not a kind of this version");
  if (request.kind == TaskKind::fix && request.proof.empty()) {
    return fail(Code::invalid_argument, "a fix needs a 'proof': a command that fails before it and passes after it");
  }
  for (const std::string& file : request.files) {
    if (auto glob = coord::Pattern::glob(file); !glob) return fail(glob.error(), "files");
  }
  for (const Task& task : tasks) {
    if (task.title == request.title && !terminal(task.state)) {
      return fail(Code::already_exists, fmt::format("there is a task '{}' already: {}", request.title, task.id));
    }
  }
  Task task;
  for (const std::string& name : request.needs) {
    Result<std::string> id = named_task(tasks, name);
    if (!id) return fail(id.error(), "needs");
    if (std::ranges::find(task.needs, *id) == task.needs.end()) task.needs.push_back(std::move(*id));
  }
  std::optional<std::string> whole;
  if (request.split_of) {
    Result<std::string> id = named_task(tasks, *request.split_of);
    if (!id) return fail(id.error(), "split_of");
    whole = std::move(*id);
    // Those who need the whole need the part; the part must not need one of them.
    for (const Task& other : tasks) {
      const std::vector<std::string> needs = all_needs(tasks, other);
      const bool behind = std::ranges::find(needs, *whole) != needs.end();
      if (behind && std::ranges::find(task.needs, other.id) != task.needs.end()) {
        return fail(Code::failed_precondition,
                    fmt::format("'{}' and '{}' would need each other", request.title, other.title));
      }
    }
    if (std::ranges::find(task.needs, *whole) != task.needs.end()) {
      return fail(Code::failed_precondition, fmt::format("a part of '{}' cannot need it", *request.split_of));
    }
  }
  task.number = c.number();
  task.id = turn.make_id("tsk");
  task.run = c.run.id;
  task.title = request.title;
  task.body = request.body;
  task.kind = request.kind;
  task.role = request.role;
  task.priority = request.priority;
  task.skills = request.skills;
  task.files = request.files;
  task.proof = request.proof;
  task.estimate_ms = request.estimate_ms;
  task.creator = creator;
  task.max_attempts = c.definition.attempts;
  task.created_us = turn.wall_us();
  if (task.kind != TaskKind::answer) {
    task.phase = stage->name;
    if (task.role.empty()) task.role = stage->role;
  } else {
    task.phase = c.run.phase;
  }
  set_state(turn, c, task, TaskState::waiting, "");
  if (whole) {
    for (Task& other : tasks) {
      if (std::ranges::find(other.needs, *whole) == other.needs.end()) continue;
      other.needs.push_back(task.id);
      if (other.state == TaskState::ready) {
        set_state(turn, c, other, TaskState::waiting, "a part was added to what it needs");
      } else {
        save(turn, other);
      }
    }
  }
  return task;
}

void send_back(Turn& turn, Case& c, Task& task, const std::string& outcome, const std::string& reason) {
  const std::string author = task.attempts.empty() ? "" : task.attempts.back().agent;
  end_attempt(turn, task, outcome, reason);
  task.commit.reset();
  task.patch.clear();
  task.stage.clear();
  task.agent.reset();
  const bool theirs = outcome == "failed" || outcome == "expired" || outcome == "gone" || outcome == "released";
  if (theirs && std::ranges::find(task.avoid, author) == task.avoid.end()) task.avoid.push_back(author);
  if (task.attempt >= task.max_attempts) return stuck(turn, c, task, reason);
  // What is wrong with a change is for its author to mend; what an agent could not do is for another.
  task.reserved = !theirs && c.here(author) ? author : "";
  if (!task.reserved.empty()) turn.set_due(Due::reserved, task.id, c.run.id, after(turn, c.definition.reserve));
  set_state(turn, c, task, TaskState::ready, reason);
  if (!task.reserved.empty()) {
    intend_prompt(turn, c, fmt::format("prompt:{}:{}:{}", task.id, task.attempt, outcome), task.reserved, task.id,
                  fmt::format("Your change for '{}' came back ({}). `swarm task next` gives it to you again.\n{}",
                              task.title, outcome, utf8_prefix(reason, 4000)));
  }
}

Result<void> claim(Turn& turn, Case& c, Task& task, const std::string& agent) {
  if (task.state == TaskState::claimed && task.agent == agent) return {};
  if (c.run.state == api::RunState::paused) return fail(Code::failed_precondition, "the run is halted");
  if (task.state != TaskState::ready) {
    return fail(Code::failed_precondition,
                task.agent ? fmt::format("'{}' is with {}", task.title, *task.agent)
                           : fmt::format("'{}' is not ready: {}", task.title,
                                         task.needs.empty() ? "it is over" : "what it needs is not done"));
  }
  if (!may_take(c, task, agent)) {
    return fail(Code::permission_denied, fmt::format("'{}' is for the role '{}'", task.title, task.role));
  }
  if (!task.reserved.empty() && task.reserved != agent) {
    return fail(Code::failed_precondition, fmt::format("'{}' goes back to {} first", task.title, task.reserved));
  }
  task.reserved.clear();
  turn.clear_due(Due::reserved, task.id);
  ++task.attempt;
  task.agent = agent;
  task.progress.clear();
  task.attempts.push_back({.attempt = task.attempt, .agent = agent, .started_us = turn.wall_us()});
  turn.set_due(Due::lease, task.id, c.run.id, after(turn, c.definition.lease));
  set_state(turn, c, task, TaskState::claimed, task.reason);
  return {};
}

Result<void> progress(Turn& turn, Case& c, Task& task, const std::string& agent, const std::string& text) {
  if (auto held = held_by(task, agent); !held) return held;
  task.progress = text;
  turn.set_due(Due::lease, task.id, c.run.id, after(turn, c.definition.lease));
  set_state(turn, c, task, TaskState::claimed, task.state == TaskState::blocked ? "" : task.reason);
  return {};
}

Result<void> hand_in(Turn& turn, Case& c, Task& task, const std::string& agent, const api::TaskDoneRequest& request) {
  if (auto held = held_by(task, agent); !held) {
    // What an agent did under an attempt that is over is kept with it, and goes no further.
    for (api::TaskAttempt& attempt : task.attempts) {
      if (attempt.agent != agent || !attempt.ended_us || attempt.commit || !request.commit) continue;
      attempt.commit = request.commit;
      save(turn, task);
      turn.keep();
      break;
    }
    return held;
  }
  task.summary = request.summary;
  if (task.kind == TaskKind::answer) {
    if (request.answer.empty()) {
      return fail(Code::invalid_argument, "this task asks for an answer: `swarm task done ID --answer TEXT`");
    }
    const auto phase = std::ranges::find(c.definition.phases, task.phase, &Phase::name);
    if (phase != c.definition.phases.end() && phase->tasks > 0) {
      const std::vector<Task> tasks = tasks_of(turn, c.run.id);
      const auto added = std::ranges::count_if(
          tasks, [](const Task& each) { return is_work(each) && each.state != TaskState::dropped; });
      if (added < static_cast<std::int64_t>(phase->tasks)) {
        return fail(Code::failed_precondition,
                    fmt::format("the plan has to have at least {} tasks and has {}; `swarm task add` adds one",
                                phase->tasks, added));
      }
    }
    task.answer = request.answer;
    end_attempt(turn, task, "done", "");
    set_state(turn, c, task, TaskState::done, "");
    return {};
  }
  task.stage = "inspect";
  set_state(turn, c, task, TaskState::checking, "its commit is looked up");
  Value input = Value::Map{{"agent", agent}};
  if (request.commit) input.set("commit", *request.commit);
  intend(turn, c, fmt::format("inspect:{}:{}", task.id, task.attempt), "inspect", task.id, std::move(input));
  return {};
}

Result<void> give_up(Turn& turn, Case& c, Task& task, const std::string& agent, const std::string& reason) {
  if (auto held = held_by(task, agent); !held) return held;
  send_back(turn, c, task, "failed", reason);
  return {};
}

Result<void> block(Turn& turn, Case& c, Task& task, const std::string& agent, const std::string& reason) {
  if (auto held = held_by(task, agent); !held) return held;
  turn.set_due(Due::lease, task.id, c.run.id, after(turn, c.definition.lease));
  set_state(turn, c, task, TaskState::blocked, reason);
  return {};
}

Result<void> release(Turn& turn, Case& c, Task& task, const Actor& actor, const std::string& reason) {
  if (actor.kind == Actor::Kind::agent) {
    if (auto held = held_by(task, actor.name); !held) return held;
  } else if (task.state != TaskState::claimed && task.state != TaskState::blocked) {
    return fail(Code::failed_precondition, fmt::format("nobody has '{}'", task.title));
  }
  // An agent that gives everything back must not go on for ever.
  constexpr std::uint32_t kMostExtra = 20;
  if (task.max_attempts < c.definition.attempts + kMostExtra) ++task.max_attempts;
  send_back(turn, c, task, "released", reason);
  return {};
}

void drop_now(Turn& turn, Case& c, Task& task, const std::string& reason) {
  end_attempt(turn, task, "dropped", reason);
  task.agent.reset();
  task.reserved.clear();
  turn.clear_due(Due::reserved, task.id);
  set_state(turn, c, task, TaskState::dropped, reason);
  for (Review& review : reviews_of_task(turn, task.id)) {
    if (review.state != api::ReviewState::open && review.state != api::ReviewState::challenged) continue;
    review.state = api::ReviewState::stale;
    review.closed_us = turn.wall_us();
    save(turn, review);
    for (const api::ReviewerInfo& each : review.reviewers) turn.clear_due(Due::reviewer, review.id + "/" + each.agent);
  }
  for (Task& other : tasks_of(turn, c.run.id)) {
    if (terminal(other.state) || std::ranges::find(other.needs, task.id) == other.needs.end()) continue;
    drop_now(turn, c, other, fmt::format("it needs '{}', which was left out", task.title));
  }
}

Result<void> drop(Turn& turn, Case& c, Task& task, const std::string& reason) {
  if (task.state == TaskState::merging || task.state == TaskState::done || task.state == TaskState::dropped) {
    return fail(Code::failed_precondition,
                fmt::format("'{}' is {}", task.title, task.state == TaskState::merging ? "being merged" : "over"));
  }
  drop_now(turn, c, task, reason);
  return {};
}

Result<api::TaskNextReply> waits_for(Turn& turn, const Case& c, const std::string& agent,
                                     const std::vector<api::Turn>& kinds) {
  if (c.agent(agent) == nullptr) {
    return fail(Code::not_found, fmt::format("'{}' takes no part in the run {}", agent, c.run.id));
  }
  const auto wanted = [&](api::Turn kind) { return kinds.empty() || std::ranges::find(kinds, kind) != kinds.end(); };
  api::TaskNextReply reply{.next = api::Turn::nothing};
  if (c.over()) {
    reply.next = api::Turn::ended;
    reply.prompt = "The run has ended. There is nothing more to do.";
    return reply;
  }
  if (c.run.state == api::RunState::paused || !c.here(agent)) return reply;
  if (wanted(api::Turn::review)) {
    for (const Review& review : reviews_of(turn, c.run.id)) {
      if (review.state != api::ReviewState::open) continue;
      const auto at = std::ranges::find_if(review.reviewers, [&](const api::ReviewerInfo& each) {
        return each.agent == agent && !each.verdict && !each.replaced_by;
      });
      if (at == review.reviewers.end()) continue;
      reply.next = api::Turn::review;
      reply.review = review;
      reply.prompt = review_prompt(turn, c, review, agent);
      return reply;
    }
  }
  if (wanted(api::Turn::vote)) {
    for (const Proposal& proposal : proposals_of(turn, c.run.id)) {
      if (proposal.state != api::ProposalState::open || !proposal.voters.contains(agent)) continue;
      if (std::ranges::find(proposal.votes, agent, &api::VoteInfo::voter) != proposal.votes.end()) continue;
      reply.next = api::Turn::vote;
      reply.proposal = proposal.id;
      reply.prompt = vote_prompt(proposal);
      return reply;
    }
  }
  if (!wanted(api::Turn::task)) return reply;
  std::vector<Task> tasks = tasks_of(turn, c.run.id);
  for (const Task& task : tasks) {
    if (task.state == TaskState::claimed && task.agent == agent) {
      reply.next = api::Turn::task;
      reply.task = shown(turn, task);
      reply.prompt = task_prompt(turn, c, task, agent);
      return reply;
    }
  }
  const Task* best = best_task(c, tasks, agent);
  if (best == nullptr) return reply;
  reply.next = api::Turn::task;
  reply.task = shown(turn, *best);
  reply.prompt = task_prompt(turn, c, *best, agent);
  return reply;
}

Result<api::TaskNextReply> next_for(Turn& turn, Case& c, const std::string& agent,
                                    const std::vector<api::Turn>& kinds) {
  Result<api::TaskNextReply> reply = waits_for(turn, c, agent, kinds);
  if (!reply || reply->next != api::Turn::task || reply->task->agent == agent) return reply;
  auto task = load_task(turn, reply->task->id);
  if (!task) return fail(Code::internal, "a task has gone while it was given out");
  if (auto claimed = claim(turn, c, *task, agent); !claimed) return fail(claimed.error());
  reply->task = shown(turn, *task);
  reply->prompt = task_prompt(turn, c, *task, agent);
  return reply;
}

}  // namespace swarm::workflow
