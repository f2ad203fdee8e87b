#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/workflow/flow.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {
namespace {

using api::QuestionKind;
using api::QuestionState;

void tell(Turn& turn, const Case& c, const Question& question) {
  turn.tell(api::kHumanChanged, c.where(question.task.value_or("")),
            {.question = question.id,
             .kind = question.kind,
             .text = std::string(utf8_prefix(question.text, 2000)),
             .state = question.state,
             .answer = std::string(utf8_prefix(question.answer, 2000))});
}

void close(Turn& turn, const Case& c, Question& question, QuestionState state, const std::string& text,
           const std::string& by) {
  question.state = state;
  question.answer = text;
  question.answered_by = by;
  question.closed_us = turn.wall_us();
  turn.clear_due(Due::question, question.id);
  save(turn, question);
  tell(turn, c, question);
}

void end_gate(Turn& turn, Case& c, const Question& question, bool yes) {
  if (!question.review.empty()) {
    auto task = load_task(turn, question.task.value_or(""));
    if (!task || task->state != api::TaskState::in_review) return;
    if (yes) return approve_change(turn, c, *task, {question.answered_by});
    return send_back(turn, c, *task, "rejected", "A person rejected it: " + question.answer);
  }
  api::PhaseInfo* phase = c.phase(question.phase);
  const auto defined = std::ranges::find(c.definition.phases, question.phase, &Phase::name);
  if (phase == nullptr || defined == c.definition.phases.end() || phase->state != api::PhaseState::running) return;
  c.changed = true;
  if (yes) {
    phase->state = api::PhaseState::done;
    phase->ended_us = turn.wall_us();
    phase->note = fmt::format("approved by {}", question.answered_by);
    return;
  }
  phase->note = fmt::format("rejected by {}: {}", question.answered_by, utf8_prefix(question.answer, 300));
  if (defined->on_reject == "mend" &&
      mend(turn, c, fmt::format("Mend what a person rejected ({})", phase->round), question.answer, *phase)) {
    return;
  }
  fail_run(turn, c, phase->note);
}

void end_stuck(Turn& turn, Case& c, const Question& question, bool yes) {
  auto task = load_task(turn, question.task.value_or(""));
  if (!task || task->state != api::TaskState::failed) return;
  if (!yes) return drop_now(turn, c, *task, fmt::format("left out by {}", question.answered_by));
  task->max_attempts = task->attempt + c.definition.attempts;
  task->avoid.clear();
  const std::string words = question.answer.empty() ? "" : fmt::format("\nA person says: {}", question.answer);
  set_state(turn, c, *task, api::TaskState::ready, task->reason + words);
}

/// What an answer means for whoever waits for it.
void carry_out(Turn& turn, Case& c, const Question& question) {
  const bool yes = question.state == QuestionState::approved ||
                   (question.state == QuestionState::expired && question.fallback == "approve");
  switch (question.kind) {
    case QuestionKind::gate:
      return end_gate(turn, c, question, yes);
    case QuestionKind::stuck:
      return end_stuck(turn, c, question, yes);
    case QuestionKind::veto: {
      auto proposal = load_proposal(turn, question.proposal.value_or(""));
      if (!proposal) return;
      std::string option = question.state == QuestionState::approved && proposal->count ? proposal->count->winner
                           : question.state == QuestionState::answered                  ? question.answer
                           : question.state == QuestionState::expired                   ? question.fallback
                                                                                        : proposal->fallback;
      return decide_proposal(turn, c, *proposal, option, question.answered_by);
    }
    case QuestionKind::question:
      if (c.here(question.asked_by)) {
        intend_prompt(turn, c, "prompt:" + question.id, question.asked_by, question.id,
                      fmt::format("You asked: {}\n{}: {}", utf8_prefix(question.text, 500),
                                  question.state == QuestionState::expired ? "Nobody answered in time; what holds is"
                                                                           : "The answer",
                                  question.answer.empty() && yes ? "yes"
                                  : question.answer.empty()      ? "no"
                                                                 : question.answer));
      }
      return;
    case QuestionKind::unknown:
      return;
  }
}

}  // namespace

Question& ask(Turn& turn, Case& c, Question& question, std::chrono::milliseconds deadline) {
  question.number = c.number();
  question.id = turn.make_id("qst");
  question.run = c.run.id;
  question.state = QuestionState::open;
  question.asked_us = turn.wall_us();
  save(turn, question);
  if (deadline.count() > 0) {
    turn.set_due(Due::question, question.id, c.run.id,
                 turn.now_us() + std::chrono::duration_cast<std::chrono::microseconds>(deadline).count());
  }
  tell(turn, c, question);
  intend(turn, c, "notify:" + question.id, "notify", question.task.value_or(""),
         Value::Map{{"text", std::string(utf8_prefix(question.text, 4000))}});
  return question;
}

Result<void> answer(Turn& turn, Case& c, Question& question, QuestionState state, const std::string& text,
                    const std::string& by) {
  if (question.state != QuestionState::open) return fail(Code::failed_precondition, "the question is over");
  if (c.over()) return fail(Code::failed_precondition, "the run is over; `swarmctl run retry` lets a failed one go on");
  if (state == QuestionState::answered) {
    if (question.kind == QuestionKind::gate || question.kind == QuestionKind::stuck) {
      return fail(Code::failed_precondition,
                  "this asks for a yes or a no: approve or reject it, with your words as reason");
    }
    if (!question.options.empty() && std::ranges::find(question.options, text) == question.options.end()) {
      return fail(Code::invalid_argument,
                  fmt::format("'{}' is none of: {}", swarm::shown(text), fmt::join(question.options, ", ")));
    }
  }
  if (question.kind == QuestionKind::veto && state == QuestionState::approved) {
    const auto proposal = load_proposal(turn, question.proposal.value_or(""));
    if (proposal && proposal->count && proposal->count->winner.empty()) {
      return fail(Code::failed_precondition, fmt::format("the vote has no winner to approve; answer with one of: {}",
                                                         fmt::join(question.options, ", ")));
    }
  }
  close(turn, c, question, state, text, by);
  carry_out(turn, c, question);
  return {};
}

void expire_question(Turn& turn, Case& c, Question& question) {
  if (question.state != QuestionState::open) return;
  close(turn, c, question, QuestionState::expired, question.fallback, "nobody");
  carry_out(turn, c, question);
}

}  // namespace swarm::workflow
