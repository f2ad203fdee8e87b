#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/workflow/flow.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {
namespace {

using api::ReviewState;
using api::TaskState;
using api::Verdict;

bool counts(const api::ReviewerInfo& reviewer) { return !reviewer.replaced_by.has_value(); }

void tell(Turn& turn, const Case& c, const Review& review, const api::ReviewerInfo* reviewer) {
  api::ReviewChanged data{
      .review = review.id, .task = review.task, .title = review.title, .round = review.round, .state = review.state};
  if (reviewer != nullptr) {
    data.agent = reviewer->agent;
    data.verdict = reviewer->verdict;
    data.findings = static_cast<std::uint32_t>(reviewer->findings.size());
  }
  turn.tell(api::kReviewChanged, c.where(review.task, data.agent), data);
}

std::string slot(const Review& review, const std::string& agent) { return review.id + "/" + agent; }

void ask_reviewer(Turn& turn, Case& c, Review& review, const std::string& agent) {
  review.reviewers.push_back({.agent = agent, .assigned_us = turn.wall_us()});
  const Phase* phase = c.definition.phase(PhaseKind::review);
  const auto span = std::chrono::duration_cast<std::chrono::microseconds>(phase->deadline).count();
  if (span > 0) turn.set_due(Due::reviewer, slot(review, agent), c.run.id, turn.now_us() + span);
}

void prompt_reviewer(Turn& turn, Case& c, const Review& review, const std::string& agent) {
  intend_prompt(turn, c, fmt::format("prompt:{}:{}", review.id, agent), agent, review.id,
                review_prompt(turn, c, review, agent));
}

void close(Turn& turn, const Case& c, Review& review, ReviewState state) {
  review.state = state;
  review.closed_us = turn.wall_us();
  for (const api::ReviewerInfo& each : review.reviewers) turn.clear_due(Due::reviewer, slot(review, each.agent));
  save(turn, review);
  tell(turn, c, review, nullptr);
}

/// All findings that stand against a change, for its author.
std::string findings_text(const Review& review) {
  std::string out;
  for (const api::ReviewerInfo& reviewer : review.reviewers) {
    if (!reviewer.verdict || reviewer.verdict == Verdict::approve) continue;
    out += fmt::format("{} asks for changes in round {}: {}\n", reviewer.agent, review.round, reviewer.summary);
    for (const api::Finding& finding : reviewer.findings) {
      out += fmt::format("  {}. {}{}{}\n", finding.number, to_utf8(finding.file.bytes),
                         finding.line > 0             ? fmt::format(":{}: ", finding.line)
                         : finding.file.bytes.empty() ? ""
                                                      : ": ",
                         finding.text);
      if (!finding.evidence.empty()) out += fmt::format("     {}\n", utf8_prefix(finding.evidence, 1000));
    }
  }
  out += fmt::format("Answer each with `swarm review answer {} --finding N --text TEXT`.\n", review.id);
  return out;
}

/// All that were asked have said something.
void conclude(Turn& turn, Case& c, Review& review) {
  std::vector<std::string> approvers;
  bool challenged = false;
  bool unhappy = false;
  std::uint32_t asked = 0;
  for (const api::ReviewerInfo& reviewer : review.reviewers) {
    if (!counts(reviewer)) continue;
    ++asked;
    if (!reviewer.verdict) return;
    if (reviewer.verdict == Verdict::approve) approvers.push_back(reviewer.agent);
    challenged = challenged || reviewer.verdict == Verdict::challenge;
    unhappy = unhappy || reviewer.verdict == Verdict::request_changes;
  }
  auto task = load_task(turn, review.task);
  if (!task) return;
  const Phase* phase = c.definition.phase(PhaseKind::review);
  if (challenged) {
    close(turn, c, review, ReviewState::challenged);
    return open_dispute(turn, c, *task, review, "a reviewer challenges it");
  }
  if (unhappy) {
    if (review.round >= phase->rounds) {
      close(turn, c, review, ReviewState::challenged);
      return open_dispute(turn, c, *task, review, fmt::format("no agreement after {} rounds", review.round));
    }
    close(turn, c, review, ReviewState::changes_requested);
    return send_back(turn, c, *task, "rejected", findings_text(review));
  }
  if (asked == 0) {
    // Nobody answered and nobody is left to ask: what no other has looked at needs a person.
    close(turn, c, review, ReviewState::stale);
    set_state(turn, c, *task, TaskState::in_review, "nobody reviewed it; a person is asked");
    Question question{};
    question.kind = api::QuestionKind::gate;
    question.asked_by = "swarm";
    question.text =
        fmt::format("Nobody is left to review '{}' (commit {}). Approve to merge it, reject to send it back.",
                    task->title, review.commit);
    question.fallback = "reject";
    question.task = task->id;
    question.review = review.id;
    ask(turn, c, question, c.definition.ask);
    return;
  }
  close(turn, c, review, ReviewState::approved);
  approve_change(turn, c, *task, std::move(approvers));
}

}  // namespace

void approve_change(Turn& turn, Case& c, Task& task, std::vector<std::string> by) {
  task.approved = task.patch;
  task.approved_by = std::move(by);
  if (c.definition.phase(PhaseKind::integrate) != nullptr) {
    return set_state(turn, c, task, TaskState::merging, "stands in the merge queue");
  }
  if (!task.attempts.empty() && !task.attempts.back().ended_us) {
    task.attempts.back().ended_us = turn.wall_us();
    task.attempts.back().outcome = "done";
    task.attempts.back().commit = task.commit;
  }
  set_state(turn, c, task, TaskState::done, "");
}

void begin_review(Turn& turn, Case& c, Task& task) {
  const Phase* phase = c.definition.phase(PhaseKind::review);
  // The same change again (after a red test elsewhere, say) needs no new eyes.
  if (phase == nullptr || (!task.approved.empty() && task.approved == task.patch)) {
    return approve_change(turn, c, task, task.approved_by);
  }
  for (Review& before : reviews_of_task(turn, task.id)) {
    if (before.state == ReviewState::open) close(turn, c, before, ReviewState::stale);
  }
  Review review;
  std::uint32_t needed = 0;
  const std::vector<std::string> reviewers = choose_reviewers(turn, c, task, needed, {});
  if (reviewers.empty()) {
    // A team of one: there is nobody else, and the run says so.
    return approve_change(turn, c, task, {});
  }
  ++task.rounds;
  review.number = c.number();
  review.id = turn.make_id("rev");
  review.run = c.run.id;
  review.task = task.id;
  review.title = task.title;
  review.author = task.attempts.back().agent;
  review.round = task.rounds;
  review.commit = task.commit.value_or("");
  review.patch = task.patch;
  review.state = ReviewState::open;
  review.needed = needed;
  review.files = task.touched;
  review.summary = task.summary;
  review.opened_us = turn.wall_us();
  for (const std::string& agent : reviewers) ask_reviewer(turn, c, review, agent);
  save(turn, review);
  set_state(turn, c, task, TaskState::in_review, fmt::format("{} look at it", fmt::join(reviewers, ", ")));
  tell(turn, c, review, nullptr);
  for (const std::string& agent : reviewers) prompt_reviewer(turn, c, review, agent);
}

Result<void> submit_review(Turn& turn, Case& c, Review& review, const Actor& actor,
                           const api::ReviewSubmitRequest& request) {
  if (request.verdict == Verdict::unknown) {
    return fail(Code::invalid_argument, "verdict: takes 'approve', 'request_changes' or 'challenge'");
  }
  if (review.state != ReviewState::open) {
    return fail(Code::failed_precondition, review.state == ReviewState::stale
                                               ? "the change is another one now; `swarm review next` shows it"
                                               : "the review is over");
  }
  if (request.verdict != Verdict::approve && request.findings.empty() && request.summary.empty()) {
    return fail(Code::invalid_argument, "say what is wrong: a finding, or a summary");
  }
  if (actor.kind == Actor::Kind::agent && actor.name == review.author) {
    return fail(Code::permission_denied, "an author does not review its own change");
  }
  auto at = std::ranges::find_if(review.reviewers,
                                 [&](const auto& each) { return each.agent == actor.name && counts(each); });
  if (at == review.reviewers.end()) {
    if (actor.kind == Actor::Kind::agent) {
      return fail(Code::permission_denied, fmt::format("'{}' was not asked to review this", actor.name));
    }
    // A person's verdict stands for all who have said nothing yet.
    for (api::ReviewerInfo& each : review.reviewers) {
      if (counts(each) && !each.verdict) each.replaced_by = actor.name;
    }
    review.reviewers.push_back({.agent = actor.name, .assigned_us = turn.wall_us()});
    at = std::prev(review.reviewers.end());
  }
  if (at->verdict && actor.kind == Actor::Kind::agent) {
    return fail(Code::failed_precondition, "your verdict is in already; the review waits for others");
  }
  at->verdict = request.verdict;
  at->summary = request.summary;
  at->findings = request.findings;
  std::uint32_t number = 0;
  for (api::Finding& finding : at->findings) {
    finding.number = ++number;
    finding.answer.clear();
  }
  at->submitted_us = turn.wall_us();
  turn.clear_due(Due::reviewer, slot(review, at->agent));
  save(turn, review);
  tell(turn, c, review, &*at);
  conclude(turn, c, review);
  return {};
}

Result<void> answer_finding(Turn& turn, Case& /*c*/, Review& review, const std::string& agent,
                            const api::ReviewAnswerRequest& request) {
  if (review.author != agent) {
    return fail(Code::permission_denied, fmt::format("the change is {}'s; its author answers", review.author));
  }
  for (api::ReviewerInfo& reviewer : review.reviewers) {
    if (!request.reviewer.empty() && reviewer.agent != request.reviewer) continue;
    for (api::Finding& finding : reviewer.findings) {
      if (finding.number != request.finding) continue;
      finding.answer = request.text;
      save(turn, review);
      return {};
    }
  }
  return fail(Code::not_found,
              fmt::format("no finding {}{} in this review; `swarm review show {}` lists them", request.finding,
                          request.reviewer.empty() ? "" : " of " + request.reviewer, review.id));
}

void replace_reviewer(Turn& turn, Case& c, Review& review, const std::string& agent, const std::string& why) {
  if (review.state != ReviewState::open) return;
  const auto at = std::ranges::find_if(
      review.reviewers, [&](const auto& each) { return each.agent == agent && counts(each) && !each.verdict; });
  if (at == review.reviewers.end()) return;
  turn.clear_due(Due::reviewer, slot(review, agent));
  auto task = load_task(turn, review.task);
  if (!task) return;
  std::vector<std::string> asked;
  for (const api::ReviewerInfo& each : review.reviewers) asked.push_back(each.agent);
  std::uint32_t needed = 0;
  const std::vector<std::string> others = choose_reviewers(turn, c, *task, needed, asked);
  at->replaced_by = others.empty() ? "" : others.front();
  at->summary = why;
  if (!others.empty()) {
    const std::string other = others.front();
    ask_reviewer(turn, c, review, other);
    save(turn, review);
    tell(turn, c, review, nullptr);
    prompt_reviewer(turn, c, review, other);
    return;
  }
  if (review.needed > 0) --review.needed;
  save(turn, review);
  tell(turn, c, review, nullptr);
  conclude(turn, c, review);
}

}  // namespace swarm::workflow
