// Calls on a swarm that the agentd of its sandbox answers: the team itself, agents, locks, messages, notes.

#include "daemon/rpc/pass_on.hpp"
#include "daemon/team/residences.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/api/note.hpp"

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
  add_team(router, services, api::kTeamList, api::inside::kTeamList);
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
