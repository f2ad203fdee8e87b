#include "daemon/rpc/workflow.hpp"

#include "daemon/workflow/service.hpp"

namespace swarm::rpc {
namespace {

using store::Durability;
using workflow::Actor;
using workflow::Engine;
using workflow::Turn;
namespace service = workflow::service;

struct Faces {
  wire::Router& host;
  wire::Router& tunnel;
  Engine& engine;
  std::shared_ptr<const ActorOf> actor_of;  // shared with the handlers on both routers
};

/// Serves `method` where its `caller` says. `handler` is a copyable callable on a call and a request.
template <class Req, class Res, class F>
void serve(Faces& faces, const api::Method<Req, Res>& method, F handler) {
  if (method.caller == api::Caller::host || method.caller == api::Caller::both) faces.host.bind(method, handler);
  if (method.caller == api::Caller::tunnel || method.caller == api::Caller::both) faces.tunnel.bind(method, handler);
}

template <class Req>
Result<Actor> actor(const ActorOf& actor_of, const wire::CallContext& call, const Req& request, SwarmNeeded needed) {
  std::optional<std::string> agent;
  if constexpr (requires { request.agent; }) agent = request.agent;
  return actor_of(call, request.swarm, agent, needed);
}

template <class Res, class Req, class F>
async::Task<Result<Res>> change_as(Engine& engine, std::string_view name, Durability durability, Result<Actor> who,
                                   Req request, F f) {
  if (!who) co_return fail(who.error());
  auto task = engine.change<Res>(
      name, durability,
      [who = std::move(*who), request = std::move(request), f](Turn& turn) { return f(turn, who, request); });
  Result<Res> result = co_await std::move(task);
  co_return result;
}

/// A method that changes something, in one turn.
template <class Req, class Res, class F>
void changes(Faces& faces, const api::Method<Req, Res>& method, SwarmNeeded needed, F f) {
  serve(faces, method,
        [&engine = faces.engine, actor_of = faces.actor_of, &method, needed, f](wire::CallContext& call, Req request) {
          Result<Actor> who = actor(*actor_of, call, request, needed);
          return change_as<Res>(engine, method.name, Durability::power, std::move(who), std::move(request), f);
        });
}

/// A method that only looks.
template <class Req, class Res, class F>
void looks(Faces& faces, const api::Method<Req, Res>& method, SwarmNeeded needed, F f) {
  serve(faces, method,
        [&engine = faces.engine, actor_of = faces.actor_of, needed, f](wire::CallContext& call,
                                                                       Req request) -> Result<Res> {
          const Result<Actor> who = actor(*actor_of, call, request, needed);
          if (!who) return fail(who.error());
          return engine.look([&](Turn& turn) { return f(turn, *who, request); });
        });
}

/// Asks again with each change of the swarm until there is something, or the time is over.
async::Task<Result<api::TaskNextReply>> next(Engine& engine, Result<Actor> who, api::TaskNextRequest request) {
  if (!who) co_return fail(who.error());
  const MonoTime until = engine.loop().clock().now() + request.wait_ms;
  for (;;) {
    const std::uint64_t seen = engine.generation();
    auto task = engine.change<api::TaskNextReply>("task.next", Durability::process, [who = *who, request](Turn& turn) {
      return service::task_next(turn, who, request);
    });
    Result<api::TaskNextReply> reply = co_await std::move(task);
    if (!reply || reply->next != api::Turn::nothing || engine.loop().clock().now() >= until) co_return reply;
    co_await engine.changed_since(who->swarm, seen, until);
  }
}

async::Task<Result<api::ReviewNextReply>> next_review(Engine& engine, Result<Actor> who,
                                                      api::ReviewNextRequest request) {
  if (!who) co_return fail(who.error());
  const MonoTime until = engine.loop().clock().now() + request.wait_ms;
  for (;;) {
    const std::uint64_t seen = engine.generation();
    Result<api::ReviewNextReply> reply =
        engine.look([&](Turn& turn) { return service::review_next(turn, *who, request); });
    if (!reply || reply->review || engine.loop().clock().now() >= until) co_return reply;
    co_await engine.changed_since(who->swarm, seen, until);
  }
}

/// Waits until a question is over. A question is of the asker's swarm, or of any where a person asks.
async::Task<Result<api::QuestionInfo>> until_over(Engine& engine, Actor who, api::QuestionRef question) {
  const MonoTime until = engine.loop().clock().now() + question.wait_ms;
  for (;;) {
    const std::uint64_t seen = engine.generation();
    std::string swarm = who.swarm;
    Result<api::QuestionInfo> info = engine.look([&](Turn& turn) -> Result<api::QuestionInfo> {
      Result<api::QuestionInfo> found = service::human_show(turn, who, question);
      if (!found) return found;
      if (const auto run = workflow::load_record(turn, found->run)) swarm = run->swarm;
      return found;
    });
    if (!info || info->state != api::QuestionState::open || engine.loop().clock().now() >= until) co_return info;
    co_await engine.changed_since(swarm, seen, until);
  }
}

async::Task<Result<api::QuestionInfo>> ask(Engine& engine, Result<Actor> who, api::HumanAskRequest request) {
  if (!who) co_return fail(who.error());
  auto task = engine.change<api::QuestionInfo>("human.ask", Durability::power, [who = *who, request](Turn& turn) {
    return service::human_ask(turn, who, request);
  });
  Result<api::QuestionInfo> asked = co_await std::move(task);
  if (!asked || request.wait_ms.count() == 0) co_return asked;
  auto waiting = until_over(engine, *who, {.question = asked->id, .wait_ms = request.wait_ms});
  Result<api::QuestionInfo> answered = co_await std::move(waiting);
  co_return answered;
}

async::Task<Result<api::QuestionInfo>> show_question(Engine& engine, Result<Actor> who, api::QuestionRef request) {
  if (!who) co_return fail(who.error());
  auto task = until_over(engine, *who, std::move(request));
  Result<api::QuestionInfo> info = co_await std::move(task);
  co_return info;
}

Result<api::WorkflowInfo> built_in(std::string_view name) {
  Result<std::string> text = service::workflow_text(name);
  if (!text) return fail(text.error());
  const Result<workflow::Definition> definition = workflow::read_definition(*text);
  if (!definition) return fail(definition.error());
  return workflow::describe_workflow(*definition, "built-in");
}

void add_workflows(wire::Router& host) {
  host.bind(api::kWorkflowList, [](wire::CallContext&, api::Empty) -> Result<api::WorkflowListReply> {
    api::WorkflowListReply reply;
    for (const workflow::BuiltIn& each : workflow::built_in_workflows()) {
      Result<api::WorkflowInfo> info = built_in(each.name);
      if (!info) return fail(info.error());
      reply.workflows.push_back(std::move(*info));
    }
    return reply;
  });
  host.bind(api::kWorkflowShow, [](wire::CallContext&, const api::WorkflowRef& request) -> Result<api::WorkflowInfo> {
    Result<api::WorkflowInfo> info = built_in(request.name);
    if (info) info->definition = *service::workflow_text(request.name);
    return info;
  });
  host.bind(api::kWorkflowCheck,
            [](wire::CallContext&, const api::WorkflowCheckRequest& request) -> Result<api::WorkflowCheckReply> {
              api::WorkflowCheckReply reply;
              const workflow::Definition definition = workflow::parse_definition(request.definition, reply.problems);
              if (reply.problems.empty()) reply.workflow = workflow::describe_workflow(definition, "given");
              return reply;
            });
}

void add_waiting(Faces& faces) {
  serve(faces, api::kTaskNext,
        [&engine = faces.engine, actor_of = faces.actor_of](wire::CallContext& call,
                                                            api::FromAgent<api::TaskNextRequest> request) {
          return next(engine, actor(*actor_of, call, request, SwarmNeeded::yes), std::move(request));
        });
  serve(faces, api::kReviewNext,
        [&engine = faces.engine, actor_of = faces.actor_of](wire::CallContext& call,
                                                            api::FromAgent<api::ReviewNextRequest> request) {
          return next_review(engine, actor(*actor_of, call, request, SwarmNeeded::yes), std::move(request));
        });
  serve(faces, api::kHumanAsk,
        [&engine = faces.engine, actor_of = faces.actor_of](wire::CallContext& call,
                                                            api::FromAgent<api::HumanAskRequest> request) {
          return ask(engine, actor(*actor_of, call, request, SwarmNeeded::yes), std::move(request));
        });
  serve(faces, api::kHumanShow,
        [&engine = faces.engine, actor_of = faces.actor_of](wire::CallContext& call,
                                                            api::FromAgent<api::QuestionRef> request) {
          return show_question(engine, actor(*actor_of, call, request, SwarmNeeded::no), std::move(request));
        });
}

}  // namespace

void add_workflow_methods(wire::Router& host, wire::Router& tunnel, workflow::Engine& engine, ActorOf actor_of) {
  Faces faces{.host = host,
              .tunnel = tunnel,
              .engine = engine,
              .actor_of = std::make_shared<const ActorOf>(std::move(actor_of))};
  constexpr auto kOf = SwarmNeeded::yes;
  constexpr auto kAny = SwarmNeeded::no;
  changes(faces, api::kRunStart, kOf, service::run_start);
  looks(faces, api::kRunList, kAny, service::run_list);
  looks(faces, api::kRunShow, kAny, service::run_show);
  looks(faces, api::kRunSteps, kAny, service::run_steps);
  changes(faces, api::kRunPause, kAny, service::run_pause);
  changes(faces, api::kRunResume, kAny, service::run_resume);
  changes(faces, api::kRunCancel, kAny, service::run_cancel);
  changes(faces, api::kRunRetry, kAny, service::run_retry);
  changes(faces, api::kRunChange, kAny, service::run_change);

  changes(faces, api::kTaskAdd, kOf, service::task_add);
  looks(faces, api::kTaskList, kOf, service::task_list);
  looks(faces, api::kTaskShow, kAny, service::task_show);
  changes(faces, api::kTaskClaim, kAny, service::task_claim);
  changes(faces, api::kTaskProgress, kAny, service::task_progress);
  changes(faces, api::kTaskDone, kAny, service::task_done);
  changes(faces, api::kTaskFail, kAny, service::task_fail);
  changes(faces, api::kTaskBlock, kAny, service::task_block);
  changes(faces, api::kTaskRelease, kAny, service::task_release);
  changes(faces, api::kTaskDrop, kAny, service::task_drop);

  looks(faces, api::kReviewList, kOf, service::review_list);
  looks(faces, api::kReviewShow, kAny, service::review_show);
  changes(faces, api::kReviewSubmit, kAny, service::review_submit);
  changes(faces, api::kReviewAnswer, kAny, service::review_answer);

  changes(faces, api::kProposalOpen, kOf, service::proposal_open);
  looks(faces, api::kProposalList, kOf, service::proposal_list);
  looks(faces, api::kProposalShow, kAny, service::proposal_show);
  changes(faces, api::kProposalVote, kAny, service::proposal_vote);
  changes(faces, api::kProposalClose, kAny, service::proposal_close);

  looks(faces, api::kHumanList, kAny, service::human_list);
  changes(faces, api::kHumanAnswer, kAny, service::human_answer);
  changes(faces, api::kHumanApprove, kAny, service::human_approve);
  changes(faces, api::kHumanReject, kAny, service::human_reject);

  add_waiting(faces);
  add_workflows(host);
}

}  // namespace swarm::rpc
