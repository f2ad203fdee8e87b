// What the hooks of agents' programs tell: the agent's state, the lock on a file that it is about to change, and the
// messages that go with the answer. One step, since it runs with every tool call of every agent.

#include "protocol/api/hook.hpp"
#include "agentd/delivery/record.hpp"
#include "agentd/rpc/team.hpp"
#include "protocol/core/id.hpp"

namespace swarm::agentd {
namespace {

using coord::AgentState;
using coord::Step;

/// An edit keeps its file for so long, counted from the last one. Commits are checked against the locks of others too.
constexpr std::chrono::minutes kEditLock{30};
constexpr int kMostLetters = 50;
constexpr int kMostUnproven = 20;

/// What an event says of the agent; nothing: no more than that it lives.
std::optional<AgentState> state_of(const api::HookEventRequest& request, bool letters) {
  const std::string& event = request.event;
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

struct Outcome {
  bool locked = false;
  std::optional<std::string> refused;
};

/// Takes or renews the lock on the file, where it is in a repository.
async::Task<Result<Outcome>> lock(TeamService& service, coord::Actor caller, std::string path, std::string tool) {
  if (!service.checkouts.holds(path)) co_return Outcome{};
  Result<coord::LockKey> key = service.checkouts.key(caller.name, {}, coord::LockKind::file, path);
  if (!key) co_return Outcome{.locked = false, .refused = key.error().message};
  coord::LockRequest wanted{.id = new_id("lck", service.loop.clock(), service.random),
                            .owner = {.agent = caller.name, .proven = caller.proven},
                            .key = std::move(*key),
                            .mode = coord::LockMode::exclusive,
                            .reason = "changes it with " + (tool.empty() ? "its edit tool" : tool),
                            .ttl = coord::Span(kEditLock)};
  const Result<coord::Acquired> got = co_await (*service.team.host())->acquire(std::move(wanted), coord::Span(0));
  if (got) co_return Outcome{.locked = true, .refused = std::nullopt};
  if (got.error().code == Code::failed_precondition) {
    co_return Outcome{.locked = false, .refused = got.error().message};
  }
  co_return fail(got.error());
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
  Outcome outcome;
  if (request.path) {
    Result<Outcome> tried = co_await lock(service, *caller, request.path->bytes, request.tool);
    if (!tried) co_return fail(tried.error());
    outcome = std::move(*tried);
  }
  auto task = (*service.team.host())
                  ->in_tables("hook.event", store::Durability::process,
                              [caller = *caller, request, now = service.loop.clock().wall().us](Step& step) {
                                return record(step, caller, request, now);
                              });
  Result<api::HookEventReply> reply = co_await std::move(task);
  if (!reply) co_return reply;
  reply->locked = outcome.locked;
  reply->refused = std::move(outcome.refused);
  reply->swarm_name = service.team.name();
  if (const auto member = service.team.find(reply->agent); member) reply->role = (*member)->role;
  if (service.heard) service.heard(reply->agent);
  co_return reply;
}

}  // namespace

void bind_hook(wire::Router& router, TeamService& service) {
  router.bind(api::inside::kHookEvent, [&service](wire::CallContext& context, api::HookEventRequest request) {
    return event(service, agent_of(service, context, std::nullopt), std::move(request));
  });
}

}  // namespace swarm::agentd
