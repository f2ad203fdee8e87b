// `agent.*`, `lock.*`, `message.*` and `note.*` of the team that lives here: answered by this agentd where it is the
// authority, else by the daemon. What only this sandbox knows is done here in either case: who calls, where a path
// lies in its repository, and what an agent's program does.

#include "agentd/rpc/team.hpp"
#include "agentd/team/far.hpp"
#include "protocol/async/blocking.hpp"

namespace swarm::agentd {
namespace {

using authority::Entry;
using wire::CallContext;

/// The request with its path as the repository has it.
template <class Req, class Res>
Result<Value> placed(TeamService& service, const std::string& agent, const api::Method<Req, Res>& method,
                     Value params) {
  Result<api::Call<Req>> call = api::decode_call(method, std::move(params));
  if (!call) return fail(call.error());
  Req& request = call->request;
  const auto kind = static_cast<coord::LockKind>(request.kind);
  const auto place = [&](api::Path& path) -> Result<void> {
    Result<coord::LockKey> key = service.checkouts.key(agent, request.repository, kind, path.bytes);
    if (!key) return fail(key.error());
    // The whole repository has the empty path.
    const bool whole = key->kind == coord::LockKind::directory && key->path.empty();
    request.repository = std::move(key->repository);
    request.kind = static_cast<api::LockKind>(key->kind);
    path.bytes = whole ? "." : std::move(key->path);
    return {};
  };
  if constexpr (requires { request.path->bytes; }) {
    if (request.path) {
      if (Result<void> done = place(*request.path); !done) return fail(done.error());
    }
  } else {
    if (Result<void> done = place(request.path); !done) return fail(done.error());
  }
  return api::encode_call(method, request, call->common);
}

/// Of many paths, off the loop.
Result<Value> all_placed(const Checkouts& checkouts, const std::string& agent, Value params) {
  auto call = api::decode_call(api::kLockCheck, std::move(params));
  if (!call) return fail(call.error());
  const std::string owner = agent.empty() ? call->request.agent.value_or("") : agent;
  const std::string named = call->request.repository;
  for (api::Path& path : call->request.paths) {
    Result<coord::LockKey> key = checkouts.key(owner, named, coord::LockKind::file, path.bytes);
    if (!key) return fail(key.error());
    if (!call->request.repository.empty() && call->request.repository != key->repository) {
      return fail(Code::invalid_argument, "the paths of one question are those of one repository");
    }
    call->request.repository = std::move(key->repository);
    path.bytes = std::move(key->path);
    if (key->kind == coord::LockKind::directory) path.bytes += '/';
  }
  return api::encode_call(api::kLockCheck, call->request, call->common);
}

/// What only this sandbox knows of the programs of its agents.
template <class Info, class F>
Result<Value> with_programs(TeamService& service, Value answer, F each) {
  if (!service.desk.add_program) return answer;
  Result<Info> info = api::decode_reply<Info>(std::move(answer));
  if (!info) return fail(info.error());
  each(*info, [&service](api::AgentInfo& one, bool whole) {
    if (service.team.find(one.id)) service.desk.add_program(one, whole);
  });
  return api::encode(*info);
}

async::Task<Result<Value>> pass_up(TeamService& service, const Entry& entry, coord::Actor caller, Value params) {
  const std::string_view name = entry.info->name;
  const bool is_agent = caller.kind == coord::Actor::Kind::agent;
  const std::string agent = is_agent ? caller.name : "";
  Result<Value> request = std::move(params);
  if (name == api::kLockAcquire.name) request = placed(service, agent, api::kLockAcquire, std::move(*request));
  if (name == api::kLockRelease.name) request = placed(service, agent, api::kLockRelease, std::move(*request));
  if (name == api::kLockCheck.name) {
    auto placing = async::run_blocking(service.loop,
                                       [checkouts = service.checkouts, agent, given = std::move(*request)]() mutable {
                                         return all_placed(checkouts, agent, std::move(given));
                                       });
    request = co_await std::move(placing);
  }
  if (!request) co_return fail(request.error());
  auto asking =
      relay_to_host(service.team, is_agent ? std::optional(agent) : std::nullopt, *entry.info, std::move(*request));
  Result<Value> answer = co_await std::move(asking);
  if (!answer) co_return answer;
  if (name == api::kMessageInbox.name) {
    Result<api::MessageInboxReply> inbox = api::decode_reply<api::MessageInboxReply>(Value(*answer));
    if (inbox) service.team.set_mail_of(agent, inbox->waiting);
  }
  if (name == api::kAgentInfo.name) {
    co_return with_programs<api::AgentInfo>(service, std::move(*answer),
                                            [](api::AgentInfo& info, const auto& add) { add(info, true); });
  }
  if (name == api::kAgentList.name) {
    co_return with_programs<api::AgentListReply>(service, std::move(*answer),
                                                 [](api::AgentListReply& reply, const auto& add) {
                                                   for (api::AgentInfo& info : reply.agents) add(info, false);
                                                 });
  }
  co_return answer;
}

wire::Reply serve(TeamService& service, const Entry& entry, const CallContext& context, Value params) {
  const std::optional<std::string> swarm = authority::named_swarm(params);
  Result<coord::Actor> caller =
      entry.who == authority::Who::agents ? agent_of(service, context, swarm) : caller_of(service, context, swarm);
  if (!caller) return Result<Value>(fail(caller.error()));
  if (!service.team.is_far()) return entry.call(service.desk, std::move(*caller), std::move(params));
  if (caller->kind == coord::Actor::Kind::person) return Result<Value>(fail(service.team.host().error()));
  return pass_up(service, entry, std::move(*caller), std::move(params));
}

}  // namespace

void bind_coordination(wire::Router& router, TeamService& service) {
  for (const Entry& entry : authority::entries()) {
    router.bind_raw(*entry.info, [&service, &entry](const CallContext& context, Value params) {
      return serve(service, entry, context, std::move(params));
    });
  }
}

}  // namespace swarm::agentd
