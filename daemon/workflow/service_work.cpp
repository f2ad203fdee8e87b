#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "daemon/workflow/service.hpp"

namespace swarm::workflow::service {
namespace {

std::uint64_t cursor_of(const std::optional<std::string>& cursor) {
  std::uint64_t value = 0;
  if (cursor) std::from_chars(cursor->data(), cursor->data() + cursor->size(), value);
  return value;
}

/// The part of `records` that a list asks for, by their number.
template <class T, class Out, class Wanted, class Show>
void page(const std::vector<T>& records, const std::optional<std::string>& cursor, std::uint32_t limit,
          std::vector<Out>& out, std::optional<std::string>& next, Wanted wanted, Show show) {
  const std::uint64_t after = cursor_of(cursor);
  for (const T& record : records) {
    if (record.number <= after || !wanted(record)) continue;
    if (out.size() == limit) return;
    out.push_back(show(record));
    if (out.size() == limit) next = std::to_string(record.number);
  }
  if (out.size() < limit) next.reset();
}

template <class F>
Result<api::TaskInfo> on_task(Turn& turn, const Actor& actor, const std::string& id, F change) {
  Result<Task> task = find_task(turn, actor.swarm, id);
  if (!task) return fail(task.error());
  auto c = load_run(turn, task->run);
  if (!c) return fail(Code::not_found, "the run of this task is gone");
  if (c->over()) return fail(Code::failed_precondition, "the run is over");
  if (Result<void> done = change(*c, *task); !done) return fail(done.error());
  settle(turn, *c);
  const auto now = load_task(turn, task->id);  // settling may have moved it on
  return shown(turn, now ? *now : *task);
}

template <class F>
Result<api::ReviewInfo> on_review(Turn& turn, const Actor& actor, const std::string& id, F change) {
  Result<Review> review = find_review(turn, actor.swarm, id);
  if (!review) return fail(review.error());
  auto c = load_run(turn, review->run);
  if (!c) return fail(Code::not_found, "the run of this review is gone");
  if (c->over()) return fail(Code::failed_precondition, "the run is over");
  if (Result<void> done = change(*c, *review); !done) return fail(done.error());
  settle(turn, *c);
  const auto now = load_review(turn, review->id);
  return now ? *now : *review;
}

template <class F>
Result<api::ProposalInfo> on_proposal(Turn& turn, const Actor& actor, const std::string& id, F change) {
  Result<Proposal> proposal = find_proposal(turn, actor.swarm, id);
  if (!proposal) return fail(proposal.error());
  auto c = load_run(turn, proposal->run);
  if (!c) return fail(Code::not_found, "the run of this proposal is gone");
  if (c->over()) return fail(Code::failed_precondition, "the run is over");
  if (Result<void> done = change(*c, *proposal); !done) return fail(done.error());
  settle(turn, *c);
  return shown(turn, *proposal);
}

}  // namespace

Result<api::TaskInfo> task_add(Turn& turn, const Actor& actor, const api::TaskAddRequest& request) {
  Result<Case> c = current_run(turn, actor.swarm, request.run);
  if (!c) return fail(c.error());
  if (actor.kind == Actor::Kind::agent && c->agent(actor.name) == nullptr) {
    return fail(Code::not_found, fmt::format("'{}' takes no part in the run {}", actor.name, c->run.id));
  }
  Result<Task> task = add_task(turn, *c, actor.name, request);
  if (!task) return fail(task.error());
  settle(turn, *c);
  const auto now = load_task(turn, task->id);
  return shown(turn, now ? *now : *task);
}

Result<api::TaskListReply> task_list(Turn& turn, const Actor& actor, const api::TaskListRequest& request) {
  const Result<Case> c = current_run(turn, actor.swarm, request.run);
  if (!c) return fail(c.error());
  api::TaskListReply reply;
  page(
      tasks_of(turn, c->run.id), request.cursor, request.limit, reply.tasks, reply.next_cursor,
      [&](const Task& task) {
        if (request.owner && task.agent != request.owner) return false;
        return request.states.empty() || std::ranges::find(request.states, task.state) != request.states.end();
      },
      [&](const Task& task) { return shown(turn, task); });
  return reply;
}

Result<api::TaskShowReply> task_show(Turn& turn, const Actor& actor, const api::TaskRef& request) {
  const Result<Task> task = find_task(turn, actor.swarm, request.task);
  if (!task) return fail(task.error());
  api::TaskShowReply reply{.task = shown(turn, *task), .attempts = task->attempts};
  for (Review& review : reviews_of_task(turn, task->id)) reply.reviews.push_back(std::move(review));
  return reply;
}

Result<api::TaskNextReply> task_next(Turn& turn, const Actor& actor, const api::TaskNextRequest& request) {
  Result<Case> c = current_run(turn, actor.swarm, std::nullopt);
  if (!c) return fail(c.error());
  Result<api::TaskNextReply> reply = next_for(turn, *c, actor.name, request.kinds);
  if (!reply) return reply;
  save(turn, *c);
  return reply;
}

Result<api::TaskNextReply> task_peek(Turn& turn, const Actor& actor, const api::TaskNextRequest& request) {
  const Result<Case> c = current_run(turn, actor.swarm, std::nullopt);
  if (!c) return fail(c.error());
  return waits_for(turn, *c, actor.name, request.kinds);
}

Result<api::TaskInfo> task_claim(Turn& turn, const Actor& actor, const api::TaskRef& request) {
  return on_task(turn, actor, request.task, [&](Case& c, Task& task) { return claim(turn, c, task, actor.name); });
}
Result<api::TaskInfo> task_progress(Turn& turn, const Actor& actor, const api::TaskProgressRequest& request) {
  return on_task(turn, actor, request.task,
                 [&](Case& c, Task& task) { return progress(turn, c, task, actor.name, request.text); });
}
Result<api::TaskInfo> task_done(Turn& turn, const Actor& actor, const api::TaskDoneRequest& request) {
  return on_task(turn, actor, request.task,
                 [&](Case& c, Task& task) { return hand_in(turn, c, task, actor.name, request); });
}
Result<api::TaskInfo> task_fail(Turn& turn, const Actor& actor, const api::TaskReasonRequest& request) {
  return on_task(turn, actor, request.task,
                 [&](Case& c, Task& task) { return give_up(turn, c, task, actor.name, request.reason); });
}
Result<api::TaskInfo> task_block(Turn& turn, const Actor& actor, const api::TaskReasonRequest& request) {
  return on_task(turn, actor, request.task,
                 [&](Case& c, Task& task) { return block(turn, c, task, actor.name, request.reason); });
}
Result<api::TaskInfo> task_release(Turn& turn, const Actor& actor, const api::TaskReasonRequest& request) {
  return on_task(turn, actor, request.task,
                 [&](Case& c, Task& task) { return release(turn, c, task, actor, request.reason); });
}
Result<api::TaskInfo> task_drop(Turn& turn, const Actor& actor, const api::TaskReasonRequest& request) {
  return on_task(turn, actor, request.task, [&](Case& c, Task& task) { return drop(turn, c, task, request.reason); });
}

Result<api::ReviewNextReply> review_next(Turn& turn, const Actor& actor, const api::ReviewNextRequest&) {
  Result<Case> c = current_run(turn, actor.swarm, std::nullopt);
  if (!c) return fail(c.error());
  Result<api::TaskNextReply> next = next_for(turn, *c, actor.name, {api::Turn::review});
  if (!next) return fail(next.error());
  return api::ReviewNextReply{.review = std::move(next->review)};
}

Result<api::ReviewListReply> review_list(Turn& turn, const Actor& actor, const api::ReviewListRequest& request) {
  const Result<Case> c = current_run(turn, actor.swarm, request.run);
  if (!c) return fail(c.error());
  api::ReviewListReply reply;
  page(
      reviews_of(turn, c->run.id), request.cursor, request.limit, reply.reviews, reply.next_cursor,
      [&](const Review& review) {
        return request.states.empty() || std::ranges::find(request.states, review.state) != request.states.end();
      },
      [](const Review& review) -> api::ReviewInfo { return review; });
  return reply;
}

Result<api::ReviewInfo> review_show(Turn& turn, const Actor& actor, const api::ReviewRef& request) {
  const Result<Review> review = find_review(turn, actor.swarm, request.review);
  if (!review) return fail(review.error());
  return *review;
}

Result<api::ReviewInfo> review_submit(Turn& turn, const Actor& actor, const api::ReviewSubmitRequest& request) {
  return on_review(turn, actor, request.review,
                   [&](Case& c, Review& review) { return submit_review(turn, c, review, actor, request); });
}
Result<api::ReviewInfo> review_answer(Turn& turn, const Actor& actor, const api::ReviewAnswerRequest& request) {
  return on_review(turn, actor, request.review,
                   [&](Case& c, Review& review) { return answer_finding(turn, c, review, actor.name, request); });
}

Result<api::ProposalInfo> proposal_open(Turn& turn, const Actor& actor, const api::ProposalOpenRequest& request) {
  Result<Case> c = current_run(turn, actor.swarm, request.run);
  if (!c) return fail(c.error());
  if (actor.kind == Actor::Kind::agent && c->agent(actor.name) == nullptr) {
    return fail(Code::not_found, fmt::format("'{}' takes no part in the run {}", actor.name, c->run.id));
  }
  Result<Proposal> proposal = open_proposal(turn, *c, actor.name, request);
  if (!proposal) return fail(proposal.error());
  settle(turn, *c);
  return shown(turn, *proposal);
}

Result<api::ProposalListReply> proposal_list(Turn& turn, const Actor& actor, const api::ProposalListRequest& request) {
  const Result<Case> c = current_run(turn, actor.swarm, request.run);
  if (!c) return fail(c.error());
  api::ProposalListReply reply;
  page(
      proposals_of(turn, c->run.id), request.cursor, request.limit, reply.proposals, reply.next_cursor,
      [&](const Proposal& proposal) { return !request.open || proposal.state == api::ProposalState::open; },
      [&](const Proposal& proposal) { return shown(turn, proposal); });
  return reply;
}

Result<api::ProposalInfo> proposal_show(Turn& turn, const Actor& actor, const api::ProposalRef& request) {
  const Result<Proposal> proposal = find_proposal(turn, actor.swarm, request.proposal);
  if (!proposal) return fail(proposal.error());
  return shown(turn, *proposal);
}

Result<api::ProposalInfo> proposal_vote(Turn& turn, const Actor& actor, const api::ProposalVoteRequest& request) {
  return on_proposal(turn, actor, request.proposal,
                     [&](Case& c, Proposal& proposal) { return vote(turn, c, proposal, actor.name, request); });
}

Result<api::ProposalInfo> proposal_close(Turn& turn, const Actor& actor, const api::ProposalRef& request) {
  return on_proposal(turn, actor, request.proposal, [&](Case& c, Proposal& proposal) -> Result<void> {
    if (proposal.state != api::ProposalState::open) return fail(Code::failed_precondition, "the vote is closed");
    if (actor.kind == Actor::Kind::agent && proposal.opened_by != actor.name) {
      return fail(Code::permission_denied, fmt::format("'{}' opened it", proposal.opened_by));
    }
    close_proposal(turn, c, proposal);
    return {};
  });
}

}  // namespace swarm::workflow::service
