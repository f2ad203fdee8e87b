#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/workflow/counting.hpp"
#include "daemon/workflow/flow.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {
namespace {

using api::ProposalState;

constexpr auto kDefaultDeadline = std::chrono::minutes(10);

VoteRules rules_of(const Proposal& proposal) {
  return {.proposal = proposal.id,
          .method = proposal.method,
          .options = proposal.options,
          .voters = proposal.voters,
          .threshold = proposal.threshold,
          .quorum = proposal.quorum,
          .tie_break = proposal.tie_break,
          .lead = proposal.lead};
}

void tell(Turn& turn, const Case& c, const Proposal& proposal, const std::string& agent) {
  turn.tell(api::kProposalChanged, c.where({}, agent),
            {.proposal = proposal.id,
             .title = proposal.title,
             .state = proposal.state,
             .agent = agent,
             .decision = proposal.decision,
             .why = proposal.count ? proposal.count->why : ""});
}

/// What a decision on a disputed change means.
void carry_out(Turn& turn, Case& c, const Proposal& proposal) {
  if (!proposal.review) return;
  auto review = load_review(turn, *proposal.review);
  auto task = review ? load_task(turn, review->task) : std::nullopt;
  if (!task || task->state != api::TaskState::in_dispute) return;
  review->settled_by = proposal.id;
  save(turn, *review);
  const std::string why = proposal.count ? proposal.count->why : "";
  if (proposal.decision == "merge") return approve_change(turn, c, *task, {"vote " + proposal.id});
  if (proposal.decision == "drop") return drop_now(turn, c, *task, fmt::format("a vote left it out: {}", why));
  std::string reason = fmt::format("A vote asks for changes ({}).\n", why);
  for (const api::ReviewerInfo& each : review->reviewers) {
    if (!each.verdict || each.verdict == api::Verdict::approve) continue;
    reason += fmt::format("{}: {}\n", each.agent, each.summary);
    for (const api::Finding& finding : each.findings) {
      reason += fmt::format("  {}:{}: {}\n", to_utf8(finding.file.bytes), finding.line, finding.text);
    }
  }
  for (const api::VoteInfo& vote : proposal.votes) {
    if (!vote.reason.empty()) reason += fmt::format("{} voted: {}\n", vote.voter, utf8_prefix(vote.reason, 1000));
  }
  send_back(turn, c, *task, "rejected", reason);
}

void finish(Turn& turn, Case& c, Proposal& proposal, const std::string& option, const std::string& by) {
  proposal.decision = option;
  proposal.decided_by = option.empty() ? "" : by;
  proposal.state = option.empty() ? ProposalState::undecided : ProposalState::decided;
  proposal.closed_us = turn.wall_us();
  turn.clear_due(Due::proposal, proposal.id);
  save(turn, proposal);
  tell(turn, c, proposal, "");
  carry_out(turn, c, proposal);
}

}  // namespace

api::VoteCount recount(const Proposal& proposal) {
  std::vector<Ballot> ballots;
  for (const api::VoteInfo& vote : proposal.votes) {
    ballots.push_back({.voter = vote.voter, .choice = vote.choice, .abstain = vote.abstain});
  }
  return count_votes(rules_of(proposal), ballots);
}

Result<Proposal> open_proposal(Turn& turn, Case& c, const std::string& opener,
                               const api::ProposalOpenRequest& request) {
  if (c.over()) return fail(Code::failed_precondition, "the run is over");
  if (request.method == api::VoteMethod::unknown)
    return fail(Code::invalid_argument, "method: not one of this version");
  if (request.tie_break == api::TieBreak::unknown) {
    return fail(Code::invalid_argument, "tie_break: not one of this version");
  }
  Proposal proposal;
  proposal.title = request.title;
  proposal.body = request.body;
  proposal.opened_by = opener;
  proposal.method = request.method;
  proposal.options = request.options;
  if (proposal.options.empty()) proposal.options = {"yes", "no"};
  proposal.threshold = request.threshold;
  proposal.quorum = request.quorum;
  proposal.tie_break = request.tie_break;
  proposal.veto = request.veto;
  proposal.lead = c.lead();
  const auto add_voter = [&](const api::RunAgent& agent) {
    double weight = 1;
    if (const auto by_role = request.weights.find(agent.role); by_role != request.weights.end())
      weight = by_role->second;
    if (const auto by_name = request.weights.find(agent.name); by_name != request.weights.end())
      weight = by_name->second;
    proposal.voters[agent.name] = weight;
  };
  for (const std::string& name : request.voters) {
    const api::RunAgent* agent = c.agent(name);
    if (agent == nullptr)
      return fail(Code::not_found, fmt::format("'{}' takes no part in this run", swarm::shown(name)));
    add_voter(*agent);
  }
  if (request.voters.empty()) {
    for (const api::RunAgent& agent : c.present()) add_voter(agent);
  }
  if (auto good = check_rules(rules_of(proposal)); !good) return fail(good.error());
  proposal.number = c.number();
  proposal.id = turn.make_id("prp");
  proposal.run = c.run.id;
  proposal.state = ProposalState::open;
  proposal.opened_us = turn.wall_us();
  const Phase* phase = c.definition.phase(PhaseKind::consensus);
  const std::chrono::milliseconds span = request.deadline_ms.value_or(
      phase != nullptr && phase->deadline.count() > 0 ? phase->deadline : kDefaultDeadline);
  turn.set_due(Due::proposal, proposal.id, c.run.id,
               turn.now_us() + std::chrono::duration_cast<std::chrono::microseconds>(span).count());
  save(turn, proposal);
  tell(turn, c, proposal, "");
  for (const auto& [voter, weight] : proposal.voters) {
    if (!c.here(voter)) continue;
    intend_prompt(turn, c, fmt::format("prompt:{}:{}", proposal.id, voter), voter, proposal.id, vote_prompt(proposal));
  }
  return proposal;
}

void open_dispute(Turn& turn, Case& c, Task& task, Review& review, const std::string& why) {
  const Phase* phase = c.definition.phase(PhaseKind::consensus);
  if (phase == nullptr) {
    // A workflow without a vote: the reviewers' word stands.
    return send_back(turn, c, task, "rejected", fmt::format("Review '{}' ended without agreement: {}", review.id, why));
  }
  std::string body = fmt::format("'{}' by {} (commit {}): {}.\n\n", task.title, review.author, review.commit, why);
  for (const api::ReviewerInfo& each : review.reviewers) {
    if (!each.verdict) continue;
    body += fmt::format("{}: {}\n", each.agent, each.summary);
    for (const api::Finding& finding : each.findings) {
      body += fmt::format("  {}. {}:{}: {}\n", finding.number, to_utf8(finding.file.bytes), finding.line, finding.text);
      if (!finding.answer.empty()) body += fmt::format("     the author: {}\n", finding.answer);
    }
  }
  api::ProposalOpenRequest request{.title = fmt::format("What becomes of '{}'?", task.title),
                                   .body = std::string(utf8_prefix(body, 60'000)),
                                   .method = phase->method,
                                   .options = {"merge", "change", "drop"},
                                   .weights = phase->weights,
                                   .threshold = phase->threshold,
                                   .quorum = phase->quorum,
                                   .tie_break = phase->tie_break,
                                   .veto = phase->veto,
                                   .deadline_ms = phase->deadline};
  Result<Proposal> proposal = open_proposal(turn, c, "swarm", request);
  if (!proposal) return send_back(turn, c, task, "rejected", proposal.error().message);
  proposal->review = review.id;
  proposal->fallback = phase->fallback;
  save(turn, *proposal);
  set_state(turn, c, task, api::TaskState::in_dispute, why);
}

Result<void> vote(Turn& turn, Case& c, Proposal& proposal, const std::string& agent,
                  const api::ProposalVoteRequest& request) {
  if (proposal.state != ProposalState::open) {
    return fail(Code::failed_precondition,
                fmt::format("the vote is closed{}", proposal.decision.empty() ? "" : ": " + proposal.decision));
  }
  const Ballot ballot{.voter = agent, .choice = request.choice, .abstain = request.abstain};
  if (auto good = check_ballot(rules_of(proposal), ballot); !good) return good;
  const auto before = std::ranges::find(proposal.votes, agent, &api::VoteInfo::voter);
  api::VoteInfo cast{.voter = agent,
                     .choice = request.choice,
                     .abstain = request.abstain,
                     .weight = proposal.voters.at(agent),
                     .reason = request.reason,
                     .evidence = request.evidence,
                     .cast_us = turn.wall_us(),
                     .changes = before == proposal.votes.end() ? 0 : before->changes + 1};
  save_vote(turn, proposal.id, cast);
  if (before == proposal.votes.end()) {
    proposal.votes.push_back(std::move(cast));
    std::ranges::sort(proposal.votes, {}, &api::VoteInfo::voter);
  } else {
    *before = std::move(cast);
  }
  tell(turn, c, proposal, agent);
  close_if_all_voted(turn, c, proposal);
  return {};
}

void close_if_all_voted(Turn& turn, Case& c, Proposal& proposal) {
  if (proposal.state != ProposalState::open) return;
  for (const auto& [voter, weight] : proposal.voters) {
    // Who has left does not hold the others up; the quorum still counts them.
    if (!c.here(voter)) continue;
    if (std::ranges::find(proposal.votes, voter, &api::VoteInfo::voter) == proposal.votes.end()) return;
  }
  close_proposal(turn, c, proposal);
}

void close_proposal(Turn& turn, Case& c, Proposal& proposal) {
  if (proposal.state != ProposalState::open) return;
  proposal.count = recount(proposal);
  const bool asks = proposal.veto || (!proposal.count->tied.empty() && proposal.tie_break == api::TieBreak::human);
  if (asks) {
    proposal.state = ProposalState::waiting;
    turn.clear_due(Due::proposal, proposal.id);
    save(turn, proposal);
    tell(turn, c, proposal, "");
    Question question{};
    question.kind = api::QuestionKind::veto;
    question.asked_by = "swarm";
    question.text = fmt::format("{}\n{}\nApprove what was voted for, or answer with another option.", proposal.title,
                                proposal.count->why);
    question.options = proposal.options;
    question.fallback = proposal.count->winner.empty() ? proposal.fallback : proposal.count->winner;
    question.proposal = proposal.id;
    ask(turn, c, question, c.definition.ask);
    return;
  }
  const std::string& winner = proposal.count->winner;
  finish(turn, c, proposal, winner.empty() ? proposal.fallback : winner, winner.empty() ? "fallback" : "vote");
}

void decide_proposal(Turn& turn, Case& c, Proposal& proposal, const std::string& option, const std::string& by) {
  if (proposal.state != ProposalState::waiting) return;
  finish(turn, c, proposal, option, by);
}

}  // namespace swarm::workflow
