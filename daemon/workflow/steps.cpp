#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/workflow/codec.hpp"
#include "daemon/workflow/evidence.hpp"
#include "daemon/workflow/flow.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {
namespace {

using api::PhaseState;
using api::TaskState;

constexpr std::size_t kShownOutput = 8000;

void tell(Turn& turn, const Case& c, const Step& step, bool good, const std::string& note) {
  turn.tell(api::kRunStepEnded, c.where(step.task.value_or("")),
            {.key = step.key, .kind = step.kind, .good = good, .note = std::string(utf8_prefix(note, 500))});
}

std::string tail(const std::string& output) {
  const std::string text = to_utf8(output);
  if (text.size() <= kShownOutput) return text;
  std::size_t at = text.size() - kShownOutput;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
  return "...\n" + text.substr(at);
}

std::string key_of(const Task& task, std::string_view what) {
  return fmt::format("{}:{}:{}", what, task.id, task.attempt);
}

std::chrono::milliseconds test_timeout(const Case& c) {
  const Phase* phase = c.definition.phase(PhaseKind::integrate);
  return phase == nullptr ? Phase{}.timeout : phase->timeout;
}

Value proof_input(const Case& c, const Task& task, const std::string& commit) {
  return to_value(Test{.commit = commit, .command = task.proof, .timeout = test_timeout(c)});
}

/// The task that a step is for, if it still waits for that step.
std::optional<Task> waiting_task(Turn& turn, const Step& step, TaskState state, std::string_view what) {
  auto task = load_task(turn, step.task.value_or(""));
  if (!task || task->state != state || key_of(*task, what) != step.key) return std::nullopt;
  return task;
}

/// An agent has one branch: what it committed for a task and did not hand in any more comes in with its next change,
/// which was reviewed and tested with it.
void came_in(Turn& turn, Case& c, Task& task) {
  task.merged = c.run.head;
  if (!task.attempts.empty() && !task.attempts.back().ended_us) {
    task.attempts.back().ended_us = turn.wall_us();
    task.attempts.back().outcome = "done";
    task.attempts.back().reason = "it came in with another change of its author";
    task.attempts.back().commit = task.commit;
  }
  set_state(turn, c, task, TaskState::done, "it came in with another change of its author");
}

std::string inspected(Turn& turn, Case& c, const Step& step, const Change& change) {
  auto task = waiting_task(turn, step, TaskState::checking, "inspect");
  if (!task) return "the task has moved on";
  if (change.commit.empty()) {
    send_back(turn, c, *task, "empty",
              "the commit that was handed in does not exist; commit with `swarm commit` first");
    return "no such commit";
  }
  task->commit = change.commit;
  if (change.contained && change.for_task == task->id) {
    came_in(turn, c, *task);
    return "it is merged already";
  }
  if (change.patch.empty()) {
    send_back(turn, c, *task, "empty",
              fmt::format("the commit {} changes nothing against the integration branch{}", change.commit,
                          change.tree_dirty ? "; your worktree holds changes that are not committed" : ""));
    return "nothing is changed";
  }
  task->base = change.base;
  task->patch = change.patch;
  task->touched.assign(change.files.begin(), change.files.end());
  if (task->kind == api::TaskKind::fix) {
    task->stage = "before";
    set_state(turn, c, *task, TaskState::checking, "whether its proof fails without it");
    intend(turn, c, key_of(*task, "before"), "test", task->id, proof_input(c, *task, task->base));
  } else {
    begin_review(turn, c, *task);
  }
  return fmt::format("{} files changed", change.files.size());
}

/// A fix shows red before green.
std::string proven(Turn& turn, Case& c, const Step& step, const TestRun& run) {
  const bool first = step.key.starts_with("before:");
  auto task = waiting_task(turn, step, TaskState::checking, first ? "before" : "after");
  if (!task) return "the task has moved on";
  const Judgement judgement = judge(run);
  if (first) {
    if (run.timed_out || run.exit_status == 0) {
      send_back(turn, c, *task, "unproven",
                fmt::format("the proof `{}` does not fail without the change ({}), so it proves nothing", task->proof,
                            judgement.why));
      return "not red without the change";
    }
    task->stage = "after";
    set_state(turn, c, *task, TaskState::checking, "whether its proof passes with it");
    intend(turn, c, key_of(*task, "after"), "test", task->id, proof_input(c, *task, task->commit.value_or("")));
    return fmt::format("red without the change: {}", judgement.why);
  }
  if (!judgement.passed) {
    send_back(turn, c, *task, "unproven",
              fmt::format("the proof `{}` does not pass with the change: {}\n{}", task->proof, judgement.why,
                          tail(run.output)));
    return "not green with the change";
  }
  begin_review(turn, c, *task);
  return fmt::format("green with the change: {}", judgement.why);
}

std::string merged(Turn& turn, Case& c, const Step& step, const Merged& outcome) {
  if (outcome.outcome == Merged::Outcome::merged) {
    c.run.head = outcome.commit;
    c.changed = true;
  }
  auto task = waiting_task(turn, step, TaskState::merging, "merge");
  if (!task) return "the task has moved on";
  switch (outcome.outcome) {
    case Merged::Outcome::merged: {
      task->merged = outcome.commit;
      const Judgement judgement = outcome.test ? judge(*outcome.test) : Judgement{.passed = true, .why = "untested"};
      if (!task->attempts.empty() && !task->attempts.back().ended_us) {
        task->attempts.back().ended_us = turn.wall_us();
        task->attempts.back().outcome = "done";
        task->attempts.back().reason = judgement.why;
        task->attempts.back().commit = task->commit;
      }
      set_state(turn, c, *task, TaskState::done, judgement.why);
      return fmt::format("merged as {}: {}", outcome.commit, judgement.why);
    }
    case Merged::Outcome::conflict: {
      std::string reason =
          "It conflicts with what was merged meanwhile. Bring your branch up to date (`swarm sync`), "
          "resolve, and hand it in again.\n";
      for (const Conflict& conflict : outcome.conflicts) {
        reason += fmt::format("{}:\n{}\n", to_utf8(conflict.path), utf8_prefix(to_utf8(conflict.hunks), 4000));
      }
      const auto count = outcome.conflicts.size();
      send_back(turn, c, *task, "conflict", std::string(utf8_prefix(reason, 32'000)));
      return fmt::format("conflict in {} files", count);
    }
    case Merged::Outcome::red: {
      const Judgement judgement = outcome.test ? judge(*outcome.test) : Judgement{};
      send_back(turn, c, *task, "red",
                fmt::format("Merged with what is there, {}.\n{}", judgement.why,
                            outcome.test ? tail(outcome.test->output) : ""));
      return judgement.why;
    }
    case Merged::Outcome::empty:
      if (outcome.contained) {
        came_in(turn, c, *task);
        return "it is merged already";
      }
      send_back(turn, c, *task, "empty", "merged with what is there, it changes nothing any more");
      return "nothing is changed";
  }
  return "";
}

std::string tested(Turn& turn, Case& c, const Step& step, const TestRun& run) {
  // "test:<phase>:<round>"
  const std::string name = step.key.substr(5, step.key.rfind(':') - 5);
  api::PhaseInfo* phase = c.phase(name);
  const auto defined = std::ranges::find(c.definition.phases, name, &Phase::name);
  const Judgement judgement = judge(run);
  if (phase == nullptr || phase->state != PhaseState::running || defined == c.definition.phases.end()) {
    return "the run has moved on";
  }
  c.changed = true;
  c.run.last_test = judgement.why;
  phase->note = judgement.why;
  if (judgement.passed) {
    phase->state = PhaseState::done;
    phase->ended_us = turn.wall_us();
    return judgement.why;
  }
  const bool again = c.run.mended < defined->rounds;
  if (again && mend(turn, c, fmt::format("Mend the tests of the whole ({})", c.run.mended + 1),
                    fmt::format("`{}` on the integrated work: {}.\n\n{}", string_of(step.input, "command"),
                                judgement.why, tail(run.output)),
                    *phase)) {
    ++c.run.mended;
    return judgement.why;
  }
  phase->state = PhaseState::failed;
  phase->ended_us = turn.wall_us();
  fail_run(turn, c, fmt::format("the integrated work does not pass: {}\n{}", judgement.why, tail(run.output)));
  return judgement.why;
}

std::string delivered(Turn& turn, Case& c, const Step& step, const Delivered& outcome) {
  api::PhaseInfo* phase = c.phase(step.key.substr(std::string_view("deliver:").size()));
  if (phase == nullptr || phase->state != PhaseState::running) return "the run has moved on";
  c.changed = true;
  c.run.delivered = outcome.where;
  phase->note = outcome.where;
  phase->state = PhaseState::done;
  phase->ended_us = turn.wall_us();
  return outcome.where;
}

}  // namespace

void intend(Turn& turn, Case& c, const std::string& key, std::string_view kind, const std::string& task, Value input) {
  if (load_step(turn, c.run.id, key)) return;
  Step step;
  step.run = c.run.id;
  step.number = c.number();
  step.key = key;
  step.kind = std::string(kind);
  if (!task.empty()) step.task = task;
  step.state = PhaseState::running;
  step.input = std::move(input);
  step.recorded_us = turn.wall_us();
  save(turn, step);
  turn.touch(c.run.id);
}

void intend_prompt(Turn& turn, Case& c, const std::string& key, const std::string& agent, const std::string& about,
                   std::string text) {
  intend(turn, c, key, "prompt", about.starts_with("tsk_") ? about : "",
         to_value(Prompt{.agent = agent, .about = about, .text = std::move(text)}));
}

void step_done(Turn& turn, Case& c, Step& step, Value outcome) {
  if (step.state != PhaseState::running) return;  // taken in already
  step.state = PhaseState::done;
  step.error.clear();
  step.ended_us = turn.wall_us();
  step.outcome = outcome;
  save(turn, step);
  turn.clear_due(Due::step, step.run + "/" + step.key);
  std::string note;
  if (step.kind == "inspect") {
    note = inspected(turn, c, step, change_of(outcome));
  } else if (step.kind == "merge") {
    note = merged(turn, c, step, merged_of(outcome));
  } else if (step.kind == "test") {
    note = step.key.starts_with("test:") ? tested(turn, c, step, test_run_of(outcome))
                                         : proven(turn, c, step, test_run_of(outcome));
  } else if (step.kind == "deliver") {
    note = delivered(turn, c, step, delivered_of(outcome));
  }
  tell(turn, c, step, true, note);
}

void step_failed(Turn& turn, Case& c, Step& step, const Error& error) {
  if (step.state != PhaseState::running) return;
  step.state = PhaseState::failed;
  step.error = error.to_string();
  step.ended_us = turn.wall_us();
  save(turn, step);
  turn.clear_due(Due::step, step.run + "/" + step.key);
  tell(turn, c, step, false, step.error);
  if (step.kind == "prompt" || step.kind == "notify" || step.kind == "stop") return;  // they can be done without
  if (step.kind == "start") {
    return agent_gone(turn, c, string_of(step.input, "agent"), "it could not be started: " + error.message);
  }
  if (step.kind == "inspect") {
    if (auto task = waiting_task(turn, step, TaskState::checking, "inspect")) {
      send_back(turn, c, *task, "failed", "its commit could not be looked up: " + error.message);
    }
    return;
  }
  fail_run(turn, c, fmt::format("{}: {}", step.key, error.to_string()));
}

}  // namespace swarm::workflow
