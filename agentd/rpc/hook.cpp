// What the hooks of agents' programs tell: prepared with what only this sandbox knows, and answered by the authority of
// the swarm.

#include "protocol/authority/hook.hpp"

#include "agentd/delivery/record.hpp"
#include "agentd/rpc/team.hpp"
#include "agentd/team/far.hpp"

namespace swarm::agentd {
namespace {

using coord::AgentState;
using coord::Step;

/// With the keys of the files that need a lock. Looks at the file system.
authority::Hook prepared(const Checkouts& checkouts, const std::string& agent, const api::HookEventRequest& request) {
  authority::Hook hook{.event = request.event,
                       .tool = request.tool,
                       .detail = request.detail,
                       .edits = {},
                       .refused = {},
                       .take = request.take,
                       .wake = request.wake,
                       .max_bytes = request.max_bytes};
  for (const api::Path& path : request.paths) {
    if (!checkouts.holds(path.bytes)) continue;
    Result<coord::LockKey> key = checkouts.key(agent, {}, coord::LockKind::file, path.bytes);
    if (!key) {
      hook.refused = key.error().message;
      hook.edits.clear();
      break;
    }
    hook.edits.push_back({.key = std::move(*key), .own = checkouts.in_worktree_of(agent, path.bytes)});
  }
  return hook;
}

delivery::Record heard(const std::string& agent, const api::HookEventRequest& request, std::optional<AgentState> state,
                       std::int64_t now_us) {
  return {.agent = agent,
          .way = {},
          .session = request.session,
          .event = request.event,
          .tool = request.tool,
          .event_us = now_us,
          .in_turn = state == AgentState::working || state == AgentState::waiting,
          .problem = {}};
}

/// Answered by the daemon; what was heard of the program is kept here.
async::Task<Result<api::HookEventReply>> far_event(TeamService& service, std::string agent, authority::Hook hook,
                                                   api::HookEventRequest request) {
  api::RelayHookRequest asked{.agent = agent,
                              .event = request.event,
                              .tool = request.tool,
                              .detail = request.detail,
                              .paths = {},
                              .take = request.take,
                              .wake = request.wake,
                              .max_bytes = request.max_bytes};
  for (const authority::Edit& edit : hook.edits) {
    asked.paths.push_back({.repository = edit.key.repository, .path = api::Path(edit.key.path), .own = edit.own});
  }
  Result<api::HookEventReply> reply = co_await ask_host(service.team, api::kRelayHook, std::move(asked), random_key());
  if (!reply) co_return reply;
  if (hook.refused) reply->refused = hook.refused;
  service.team.set_mail_of(agent, reply->waiting);
  const std::optional<AgentState> state = authority::state_of(hook, !reply->letters.empty());
  auto task =
      service.team.store()->write("hook.heard", store::Durability::process,
                                  [record = heard(agent, request, state, service.loop.clock().wall().us)](
                                      store::Changes& changes) { return delivery::put_event(changes.db(), record); });
  const Result<void> kept = co_await std::move(task);
  static_cast<void>(kept);  // told again with the next one
  co_return reply;
}

async::Task<Result<api::HookEventReply>> event(TeamService& service, Result<coord::Actor> caller,
                                               api::HookEventRequest request) {
  if (!caller) co_return fail(caller.error());
  authority::Hook hook = prepared(service.checkouts, caller->name, request);
  Result<api::HookEventReply> reply = fail(Code::internal, "");
  if (service.team.is_far()) {
    auto asking = far_event(service, caller->name, std::move(hook), request);
    reply = co_await std::move(asking);
  } else {
    auto task = authority::hook_event(service.desk, *caller, std::move(hook),
                                      [agent = caller->name, request, now = service.loop.clock().wall().us](
                                          Step& step, std::optional<AgentState> state) {
                                        return delivery::put_event(step.turn.db, heard(agent, request, state, now));
                                      });
    reply = co_await std::move(task);
  }
  if (!reply) co_return reply;
  reply->locked = !request.paths.empty() && !reply->refused;
  reply->swarm_name = service.team.name();
  if (const auto member = service.team.find(reply->agent); member) reply->role = (*member)->role;
  if (service.heard) service.heard(reply->agent, request.wake && reply->letters.empty());
  co_return reply;
}

std::optional<std::int64_t> some(std::int64_t us) { return us == 0 ? std::nullopt : std::optional(us); }

}  // namespace

std::optional<api::AgentDelivery> delivery_info(const coord::Turn& turn, const std::string& agent) {
  const auto found = delivery::find(turn.db, agent);
  if (!found || !*found) return std::nullopt;
  const delivery::Record& record = **found;
  return api::AgentDelivery{.way = record.way,
                            .session = record.session,
                            .event = record.event,
                            .tool = record.tool,
                            .event_us = some(record.event_us),
                            .in_turn = record.in_turn,
                            .woken_us = some(record.woken_us),
                            .failures = static_cast<std::uint32_t>(record.failures),
                            .problem = record.problem,
                            .next_us = some(record.next_us)};
}

void bind_hook(wire::Router& router, TeamService& service) {
  router.bind(api::inside::kHookEvent, [&service](wire::CallContext& context, api::HookEventRequest request) {
    return event(service, agent_of(service, context, std::nullopt), std::move(request));
  });
}

}  // namespace swarm::agentd
