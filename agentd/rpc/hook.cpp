// What the hooks of agents' programs tell: the agent's state, the lock on a file that it is about to change, and the
// messages that go with the answer. One step, since it runs with every tool call of every agent.

#include "protocol/api/hook.hpp"
#include "agentd/delivery/record.hpp"
#include "agentd/rpc/edit_lock.hpp"
#include "agentd/rpc/team.hpp"

namespace swarm::agentd {
namespace {

using coord::AgentState;
using coord::Step;

constexpr int kMostLetters = 50;
constexpr int kMostUnproven = 20;

/// What an event says of the agent; nothing: no more than that it lives.
std::optional<AgentState> state_of(const api::HookEventRequest& request, bool letters) {
  const std::string& event = request.event;
  if (request.wake && !letters) return AgentState::idle;  // stopped: no turn begins
  if (event == "SessionStart") return AgentState::idle;
  if (event == "Stop" || event == "notify") return letters ? AgentState::working : AgentState::idle;
  if (event == "PermissionRequest") return AgentState::waiting;
  if (event == "Notification") {
    if (request.detail.starts_with("permission")) return AgentState::waiting;
    return request.detail.starts_with("idle") ? std::optional(AgentState::idle) : std::nullopt;
  }
  if (event == "UserPromptSubmit" || event == "PreToolUse" || event == "PostToolUse" || event == "PostToolUseFailure" ||
      event == "PreCompact") {
    return AgentState::working;
  }
  return std::nullopt;
}

Result<api::HookEventReply> record(Step& step, const coord::Actor& caller, const api::HookEventRequest& request,
                                   std::int64_t now_us) {
  api::HookEventReply reply;
  reply.agent = caller.name;
  if (request.take) {
    const auto letters = step.messages.take(step.turn, caller.name, kMostLetters, request.max_bytes);
    if (!letters) return fail(letters.error());
    for (const coord::Letter& letter : *letters) reply.letters.push_back(letter_info(letter, step.turn));
  }
  const auto unproven = step.messages.unproven(step.turn, caller.name, kMostUnproven);
  if (!unproven) return fail(unproven.error());
  for (const coord::Letter& letter : *unproven) reply.unproven.push_back(letter_info(letter, step.turn));
  const auto unread = step.messages.unread(step.turn);
  if (!unread) return fail(unread.error());
  if (const auto at = unread->find(caller.name); at != unread->end()) {
    reply.waiting = static_cast<std::uint64_t>(at->second);
  }
  const std::optional<AgentState> state = state_of(request, !reply.letters.empty());
  auto updated = step.registry.update(step.turn, caller.name, state, std::nullopt, std::nullopt);
  if (!updated) return fail(updated.error());
  const delivery::Record heard{.agent = caller.name,
                               .way = {},
                               .session = request.session,
                               .event = request.event,
                               .tool = request.tool,
                               .event_us = now_us,
                               .in_turn = state == AgentState::working || state == AgentState::waiting,
                               .problem = {}};
  if (auto put = delivery::put_event(step.turn.db, heard); !put) return fail(put.error());
  return reply;
}

async::Task<Result<api::HookEventReply>> event(TeamService& service, Result<coord::Actor> caller,
                                               api::HookEventRequest request) {
  if (!caller) co_return fail(caller.error());
  auto locking = lock_for_edit(service, *caller, request.paths, request.tool);
  const Result<std::optional<std::string>> refused = co_await std::move(locking);
  if (!refused) co_return fail(refused.error());
  if (!request.paths.empty() || request.event == "UserPromptSubmit" || request.event == "Stop") {
    auto keeping = (*service.team.host())->with_locks("hook.keep", [agent = caller->name](Step& step) {
      keep_edit_locks(step, agent);
      return Result<void>();
    });
    const Result<void> kept = co_await std::move(keeping);
    if (!kept) co_return fail(kept.error());
  }
  auto task = (*service.team.host())
                  ->in_tables("hook.event", store::Durability::process,
                              [caller = *caller, request, now = service.loop.clock().wall().us](Step& step) {
                                return record(step, caller, request, now);
                              });
  Result<api::HookEventReply> reply = co_await std::move(task);
  if (!reply) co_return reply;
  reply->locked = !request.paths.empty() && !*refused;
  reply->refused = *refused;
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
