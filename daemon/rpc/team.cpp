// Calls on a swarm that its authority answers: the team itself, agents, locks, messages, notes. The authority is the
// agentd of its sandbox, or the daemon where it spans several.

#include <algorithm>

#include "daemon/rpc/pass_on.hpp"
#include "daemon/team/authorities.hpp"
#include "daemon/team/residences.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/api/note.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::rpc {
namespace {

using api::InSwarm;

/// Calls that wait for something wait as long as they say; others are answered at once, or agentd is in trouble.
constexpr std::chrono::minutes kPatience{65};

template <class Res, class Req>
async::Task<Result<Res>> at_home(Services& services, const api::Method<Req, Res>& inside, Req request,
                                 std::optional<std::string> swarm) {
  const Result<team::Home> home = services.residences.find(swarm);
  if (!home) co_return fail(home.error());
  if (services.authorities.hosts(home->swarm)) {
    auto asking =
        services.authorities.as_person(home->swarm, std::string(inside.name), api::encode_call(inside, request));
    Result<Value> answer = co_await std::move(asking);
    if (!answer) co_return fail(answer.error());
    Result<Res> decoded = api::decode_reply<Res>(std::move(*answer));
    co_return decoded;
  }
  auto use = co_await services.sandboxes.use(home->sandbox);
  if (!use) co_return fail(use.error());
  if constexpr (requires { request.swarm; }) request.swarm = home->swarm;
  Result<Res> answer = co_await wire::call_with_timeout(use->agent(), inside, std::move(request), kPatience);
  co_return answer;
}

/// A method that agentd serves under the same name with the same struct.
template <class Req, class Res>
void add_same(wire::Router& router, Services& services, const api::Method<InSwarm<Req>, Res>& method,
              const api::Method<InSwarm<Req>, Res>& inside) {
  router.bind(method, [&services, &inside](wire::CallContext&, InSwarm<Req> request) {
    std::optional<std::string> swarm = request.swarm;
    return at_home<Res>(services, inside, std::move(request), std::move(swarm));
  });
}

/// One that is without `swarm` inside.
/// Of a swarm in several sandboxes: who belongs to it in each of them.
async::Task<Result<api::TeamInfo>> list_team(Services& services, std::optional<std::string> swarm) {
  const Result<team::Home> home = services.residences.find(swarm);
  if (!home) co_return fail(home.error());
  std::vector<std::string> sandboxes = {home->sandbox};
  if (services.sandboxes_of_swarm && services.authorities.hosts(home->swarm)) {
    Result<std::vector<std::string>> all = services.sandboxes_of_swarm(home->swarm);
    if (!all) co_return fail(all.error());
    sandboxes = std::move(*all);
  }
  std::optional<api::TeamInfo> whole;
  for (const std::string& sandbox : sandboxes) {
    auto use = co_await services.sandboxes.use(sandbox);
    if (!use) co_return fail(use.error());
    Result<api::TeamInfo> part = co_await wire::call_with_timeout(use->agent(), api::inside::kTeamList,
                                                                  api::TeamListRequest{}, std::chrono::seconds(30));
    if (!part) co_return fail(part.error());
    if (whole) {
      std::ranges::move(part->members, std::back_inserter(whole->members));
    } else {
      whole = std::move(*part);
    }
  }
  if (!whole) co_return fail(Code::failed_precondition, "the swarm has no sandbox now");
  if (sandboxes.size() > 1) std::ranges::sort(whole->members, {}, &api::TeamMember::agent);
  co_return std::move(*whole);
}

template <class Req, class Res>
void add_team(wire::Router& router, Services& services, const api::Method<InSwarm<Req>, Res>& method,
              const api::Method<Req, Res>& inside) {
  router.bind(method, [&services, &inside](wire::CallContext&, InSwarm<Req> request) {
    std::optional<std::string> swarm = request.swarm;
    return at_home<Res>(services, inside, static_cast<Req>(std::move(request)), std::move(swarm));
  });
}

}  // namespace

void add_team_methods(wire::Router& router, Services& services) {
  router.bind(api::kTeamOpen, [&services](wire::CallContext&, api::InSandbox<api::TeamOpenRequest> request) {
    return services.residences.open(request.sandbox, std::move(static_cast<api::TeamOpenRequest&>(request)));
  });
  add_team(router, services, api::kTeamJoin, api::inside::kTeamJoin);
  add_team(router, services, api::kTeamLeave, api::inside::kTeamLeave);
  router.bind(api::kTeamList, [&services](wire::CallContext&, const api::InSwarm<api::TeamListRequest>& request) {
    return list_team(services, request.swarm);
  });
  const auto same = [&](const auto& method) { add_same(router, services, method, method); };
  same(api::kAgentList);
  same(api::kAgentInfo);
  same(api::kAgentFind);
  same(api::kLockList);
  same(api::kLockCheck);
  add_same(router, services, api::kLockBreak, api::inside::kLockBreak);
  same(api::kMessageSend);
  same(api::kMessageShow);
  same(api::kMessageSearch);
  add_same(router, services, api::kMessageAgain, api::inside::kMessageAgain);
  same(api::kNotePut);
  same(api::kNoteGet);
  same(api::kNoteList);
  same(api::kNoteWatch);
  same(api::kNoteDecide);
  same(api::kNoteDecisions);
  same(api::kNoteLink);
}

}  // namespace swarm::rpc
