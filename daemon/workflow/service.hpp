#pragma once
// The methods of protocol/api/{run,task,review,proposal,human}.hpp on a turn: find what is named, do it, draw the
// conclusions, show it. Who calls is in the actor; what it may is decided here and below, not by the faces.

#include "daemon/workflow/flow.hpp"

namespace swarm::workflow::service {

Result<api::TaskInfo> task_add(Turn& turn, const Actor& actor, const api::TaskAddRequest& request);
Result<api::TaskListReply> task_list(Turn& turn, const Actor& actor, const api::TaskListRequest& request);
Result<api::TaskShowReply> task_show(Turn& turn, const Actor& actor, const api::TaskRef& request);
/// At once; waiting is the face's part.
Result<api::TaskNextReply> task_next(Turn& turn, const Actor& actor, const api::TaskNextRequest& request);
/// The same without giving it: changes nothing.
Result<api::TaskNextReply> task_peek(Turn& turn, const Actor& actor, const api::TaskNextRequest& request);
Result<api::TaskInfo> task_claim(Turn& turn, const Actor& actor, const api::TaskRef& request);
Result<api::TaskInfo> task_progress(Turn& turn, const Actor& actor, const api::TaskProgressRequest& request);
Result<api::TaskInfo> task_done(Turn& turn, const Actor& actor, const api::TaskDoneRequest& request);
Result<api::TaskInfo> task_fail(Turn& turn, const Actor& actor, const api::TaskReasonRequest& request);
Result<api::TaskInfo> task_block(Turn& turn, const Actor& actor, const api::TaskReasonRequest& request);
Result<api::TaskInfo> task_release(Turn& turn, const Actor& actor, const api::TaskReasonRequest& request);
Result<api::TaskInfo> task_drop(Turn& turn, const Actor& actor, const api::TaskReasonRequest& request);

Result<api::ReviewNextReply> review_next(Turn& turn, const Actor& actor, const api::ReviewNextRequest& request);
Result<api::ReviewListReply> review_list(Turn& turn, const Actor& actor, const api::ReviewListRequest& request);
Result<api::ReviewInfo> review_show(Turn& turn, const Actor& actor, const api::ReviewRef& request);
Result<api::ReviewInfo> review_submit(Turn& turn, const Actor& actor, const api::ReviewSubmitRequest& request);
Result<api::ReviewInfo> review_answer(Turn& turn, const Actor& actor, const api::ReviewAnswerRequest& request);

Result<api::ProposalInfo> proposal_open(Turn& turn, const Actor& actor, const api::ProposalOpenRequest& request);
Result<api::ProposalListReply> proposal_list(Turn& turn, const Actor& actor, const api::ProposalListRequest& request);
Result<api::ProposalInfo> proposal_show(Turn& turn, const Actor& actor, const api::ProposalRef& request);
Result<api::ProposalInfo> proposal_vote(Turn& turn, const Actor& actor, const api::ProposalVoteRequest& request);
Result<api::ProposalInfo> proposal_close(Turn& turn, const Actor& actor, const api::ProposalRef& request);

Result<api::QuestionInfo> human_ask(Turn& turn, const Actor& actor, const api::HumanAskRequest& request);
Result<api::QuestionInfo> human_show(Turn& turn, const Actor& actor, const api::QuestionRef& request);
Result<api::HumanListReply> human_list(Turn& turn, const Actor& actor, const api::HumanListRequest& request);
Result<api::QuestionInfo> human_answer(Turn& turn, const Actor& actor, const api::HumanAnswerRequest& request);
Result<api::QuestionInfo> human_approve(Turn& turn, const Actor& actor, const api::HumanDecideRequest& request);
Result<api::QuestionInfo> human_reject(Turn& turn, const Actor& actor, const api::HumanDecideRequest& request);

/// Takes the text of the workflow from `definition`, or the built-in one of that name.
Result<api::RunInfo> run_start(Turn& turn, const Actor& actor, const api::RunStartRequest& request);
Result<api::RunListReply> run_list(Turn& turn, const Actor& actor, const api::RunListRequest& request);
Result<api::RunInfo> run_show(Turn& turn, const Actor& actor, const api::RunRef& request);
Result<api::RunStepsReply> run_steps(Turn& turn, const Actor& actor, const api::RunStepsRequest& request);
Result<api::RunInfo> run_pause(Turn& turn, const Actor& actor, const api::RunReasonRequest& request);
Result<api::RunInfo> run_resume(Turn& turn, const Actor& actor, const api::RunRef& request);
Result<api::RunInfo> run_cancel(Turn& turn, const Actor& actor, const api::RunReasonRequest& request);
Result<api::RunInfo> run_retry(Turn& turn, const Actor& actor, const api::RunRef& request);
Result<api::RunInfo> run_change(Turn& turn, const Actor& actor, const api::RunChangeRequest& request);

/// A workflow of that name, as TOML.
Result<std::string> workflow_text(std::string_view name);

}  // namespace swarm::workflow::service
