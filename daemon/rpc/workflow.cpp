#include "daemon/rpc/workflow.hpp"

#include <algorithm>

#include "daemon/workflow/engine.hpp"
#include "daemon/workflow/service.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::rpc {
namespace {

namespace service = workflow::service;
using store::Durability;
using workflow::Actor;
using workflow::Engine;

Actor actor_of(const Scope& scope) {
  const bool agent = !scope.agent.empty();
  return {.kind = agent ? Actor::Kind::agent : Actor::Kind::person,
          .swarm = scope.home.swarm,
          .name = agent ? scope.agent : "human"};
}

/// What `serve` decides in a turn, once for each key: the answer is recorded in the transaction of the effect.
template <class Res, class Serve>
Result<Res> once(workflow::Turn& turn, const std::optional<CallKey>& key, const Serve& serve) {
  if (!key) return serve();
  std::optional<Res> fresh;
  Result<std::string> answer = turn.once(*key, [&]() -> Result<std::string> {
    Result<Res> served = serve();
    if (!served) return fail(served.error());
    fresh = std::move(*served);
    return wire::encode(api::encode(*fresh));
  });
  if (!answer) return fail(answer.error());
  if (fresh) return std::move(*fresh);
  Result<Value> known = wire::decode_scanned(std::as_bytes(std::span(*answer)), "answer");
  if (!known) return fail(known.error());
  return api::decode_reply<Res>(std::move(*known));
}

/// A method that changes something.
template <class Outer, class Res, class Req>
void add_change(Routers routers, const team::Homes& homes, Engine& engine, const api::Method<Outer, Res>& method,
                Result<Res> (*serve)(workflow::Turn&, const Actor&, const Req&)) {
  const auto handler = [&engine, &method, serve](const Scope& scope, Outer request) {
    return engine.change<Res>(
        method.name, Durability::power,
        [actor = actor_of(scope), key = scope.key, request = std::move(request), serve](workflow::Turn& turn) {
          return once<Res>(turn, key, [&] { return serve(turn, actor, request); });
        });
  };
  add_scoped(routers, homes, method, handler, wire::Keys::by_handler);
}

/// A method that only looks.
template <class Outer, class Res, class Req>
void add_look(Routers routers, const team::Homes& homes, Engine& engine, const api::Method<Outer, Res>& method,
              Result<Res> (*serve)(workflow::Turn&, const Actor&, const Req&)) {
  add_scoped(routers, homes, method, [&engine, serve](const Scope& scope, Outer request) -> Result<Res> {
    const Actor actor = actor_of(scope);
    return engine.look([&](workflow::Turn& turn) { return serve(turn, actor, request); });
  });
}

/// Asks again after each change of the swarm, until there is something or the time is over.
async::Task<Result<api::TaskNextReply>> next_turn(Engine& engine, Actor actor, api::TaskNextRequest request) {
  const MonoTime until = engine.loop().clock().now() + Duration(request.wait_ms);
  for (;;) {
    const std::uint64_t seen = engine.generation();
    // Looked up first: a turn counts as a change, and whoever waits would wake itself (and the others) without end.
    Result<api::TaskNextReply> reply =
        engine.look([&](workflow::Turn& turn) { return service::task_peek(turn, actor, request); });
    if (reply && reply->next != api::Turn::nothing && reply->next != api::Turn::ended) {
      auto asking = engine.change<api::TaskNextReply>(
          "task.next", Durability::power,
          [actor, request](workflow::Turn& turn) { return service::task_next(turn, actor, request); });
      reply = co_await std::move(asking);
    }
    if (!reply || reply->next != api::Turn::nothing || engine.loop().clock().now() >= until) co_return reply;
    co_await engine.changed_since(actor.swarm, seen, until);
  }
}

async::Task<Result<api::ReviewNextReply>> next_review(Engine& engine, Actor actor, api::ReviewNextRequest request) {
  const MonoTime until = engine.loop().clock().now() + Duration(request.wait_ms);
  for (;;) {
    const std::uint64_t seen = engine.generation();
    Result<api::ReviewNextReply> reply =
        engine.look([&](workflow::Turn& turn) { return service::review_next(turn, actor, request); });
    if (!reply || reply->review || engine.loop().clock().now() >= until) co_return reply;
    co_await engine.changed_since(actor.swarm, seen, until);
  }
}

/// The question as it stands when it is over, or when the time is.
async::Task<Result<api::QuestionInfo>> answered(Engine& engine, Actor actor, std::string question,
                                                std::chrono::milliseconds wait) {
  const MonoTime until = engine.loop().clock().now() + Duration(wait);
  const api::QuestionRef ref{.question = std::move(question), .wait_ms = wait};
  for (;;) {
    const std::uint64_t seen = engine.generation();
    Result<api::QuestionInfo> shown =
        engine.look([&](workflow::Turn& turn) { return service::human_show(turn, actor, ref); });
    if (!shown || shown->state != api::QuestionState::open || engine.loop().clock().now() >= until) co_return shown;
    co_await engine.changed_since(actor.swarm, seen, until);
  }
}

async::Task<Result<api::QuestionInfo>> ask(Engine& engine, Actor actor, std::optional<CallKey> key,
                                           api::HumanAskRequest request) {
  auto asking =
      engine.change<api::QuestionInfo>("human.ask", Durability::power, [actor, key, request](workflow::Turn& turn) {
        return once<api::QuestionInfo>(turn, key, [&] { return service::human_ask(turn, actor, request); });
      });
  const Result<api::QuestionInfo> asked = co_await std::move(asking);
  if (!asked) co_return fail(asked.error());
  Result<api::QuestionInfo> end = co_await answered(engine, actor, asked->id, request.wait_ms);
  co_return end;
}

Result<api::WorkflowListReply> list_workflows() {
  api::WorkflowListReply reply;
  for (const workflow::BuiltIn& each : workflow::built_in_workflows()) {
    const Result<workflow::Definition> definition = workflow::read_definition(each.toml);
    if (!definition) return fail(definition.error(), each.name);
    reply.workflows.push_back(workflow::describe_workflow(*definition, "built-in"));
  }
  std::ranges::sort(reply.workflows, {}, &api::WorkflowInfo::name);
  return reply;
}

Result<api::WorkflowInfo> show_workflow(const std::string& name) {
  Result<std::string> text = service::workflow_text(name);
  if (!text) return fail(text.error());
  const Result<workflow::Definition> definition = workflow::read_definition(*text);
  if (!definition) return fail(definition.error());
  api::WorkflowInfo info = workflow::describe_workflow(*definition, "built-in");
  info.definition = std::move(*text);
  return info;
}

Result<api::WorkflowCheckReply> check_workflow(const std::string& text) {
  api::WorkflowCheckReply reply;
  const workflow::Definition definition = workflow::parse_definition(text, reply.problems);
  if (reply.problems.empty()) reply.workflow = workflow::describe_workflow(definition, "given");
  return reply;
}

}  // namespace

void add_workflow_methods(Routers routers, const team::Homes& homes, Engine& engine) {
  const auto change = [&](const auto& method, auto serve) { add_change(routers, homes, engine, method, serve); };
  const auto look = [&](const auto& method, auto serve) { add_look(routers, homes, engine, method, serve); };
  change(api::kTaskAdd, service::task_add);
  look(api::kTaskList, service::task_list);
  look(api::kTaskShow, service::task_show);
  change(api::kTaskClaim, service::task_claim);
  change(api::kTaskProgress, service::task_progress);
  change(api::kTaskDone, service::task_done);
  change(api::kTaskFail, service::task_fail);
  change(api::kTaskBlock, service::task_block);
  change(api::kTaskRelease, service::task_release);
  change(api::kTaskDrop, service::task_drop);
  const auto task_next = [&engine](const Scope& scope, api::FromAgent<api::TaskNextRequest> request) {
    return next_turn(engine, actor_of(scope), std::move(static_cast<api::TaskNextRequest&>(request)));
  };
  // A task that was given stays the agent's: asked again, with a key or without, this gives it again.
  add_scoped(routers, homes, api::kTaskNext, task_next, wire::Keys::by_handler);

  look(api::kReviewList, service::review_list);
  look(api::kReviewShow, service::review_show);
  change(api::kReviewSubmit, service::review_submit);
  change(api::kReviewAnswer, service::review_answer);
  add_scoped(routers, homes, api::kReviewNext,
             [&engine](const Scope& scope, api::FromAgent<api::ReviewNextRequest> request) {
               return next_review(engine, actor_of(scope), std::move(static_cast<api::ReviewNextRequest&>(request)));
             });

  change(api::kProposalOpen, service::proposal_open);
  look(api::kProposalShow, service::proposal_show);
  look(api::kProposalList, service::proposal_list);
  change(api::kProposalVote, service::proposal_vote);
  change(api::kProposalClose, service::proposal_close);

  const auto human_ask = [&engine](const Scope& scope, api::FromAgent<api::HumanAskRequest> request) {
    return ask(engine, actor_of(scope), scope.key, std::move(static_cast<api::HumanAskRequest&>(request)));
  };
  add_scoped(routers, homes, api::kHumanAsk, human_ask, wire::Keys::by_handler);
  add_scoped(routers, homes, api::kHumanShow, [&engine](const Scope& scope, api::FromAgent<api::QuestionRef> request) {
    return answered(engine, actor_of(scope), request.question, request.wait_ms);
  });
  look(api::kHumanList, service::human_list);
  change(api::kHumanAnswer, service::human_answer);
  change(api::kHumanApprove, service::human_approve);
  change(api::kHumanReject, service::human_reject);

  change(api::kRunStart, service::run_start);
  look(api::kRunList, service::run_list);
  look(api::kRunShow, service::run_show);
  look(api::kRunSteps, service::run_steps);
  change(api::kRunPause, service::run_pause);
  change(api::kRunResume, service::run_resume);
  change(api::kRunCancel, service::run_cancel);
  change(api::kRunRetry, service::run_retry);
  change(api::kRunChange, service::run_change);
  routers.host.bind(api::kWorkflowList, [](wire::CallContext&, api::Empty) { return list_workflows(); });
  routers.host.bind(api::kWorkflowShow,
                    [](wire::CallContext&, api::WorkflowRef request) { return show_workflow(request.name); });
  routers.host.bind(api::kWorkflowCheck, [](wire::CallContext&, api::WorkflowCheckRequest request) {
    return check_workflow(request.definition);
  });
}

}  // namespace swarm::rpc
