#include "agentd/rpc/team.hpp"

#include <fmt/format.h>

#include "protocol/core/utf8.hpp"

namespace swarm::agentd {

using wire::CallContext;

TeamService::TeamService(async::Loop& l, Random& r, Team& t)
    : loop(l),
      random(r),
      team(t),
      checkouts(t.options().workspace),
      journal(l, t),
      desk{.loop = l,
           .random = r,
           .host = [&t]() -> coord::Host& { return **t.host(); },
           .key = [places = checkouts](const std::string& agent, const std::string& repository, coord::LockKind kind,
                                       const std::string& path) { return places.key(agent, repository, kind, path); },
           .delivery = delivery_info,
           .notes_changed = async::Condition(l)} {
  team.listen([this](const Team::Happenings& happenings) { desk.happened(happenings); });
}

Result<coord::Actor> caller_of(TeamService& service, const CallContext& context,
                               const std::optional<std::string>& swarm) {
  Team& team = service.team;
  if (!team.is_open()) return fail(team.host().error());
  if (swarm && *swarm != team.name() && !team.swarm().starts_with(*swarm)) {
    return fail(Code::not_found, fmt::format("'{}' does not live in this sandbox; it is the home of '{}' ({})",
                                             shown(*swarm), team.swarm(), shown(team.name())));
  }
  if (context.peer.kind == wire::Peer::Kind::daemon) {
    return coord::Actor{.kind = coord::Actor::Kind::person, .name = std::string(authority::kPerson)};
  }
  if (!context.peer.credentials) return fail(Code::unauthenticated, "the kernel does not say who you are");
  Result<coord::Actor> actor = team.caller(*context.peer.credentials);
  if (actor && actor->kind == coord::Actor::Kind::agent) team.alive(actor->name);
  return actor;
}

Result<coord::Actor> agent_of(TeamService& service, const CallContext& context,
                              const std::optional<std::string>& swarm) {
  Result<coord::Actor> actor = caller_of(service, context, swarm);
  if (actor && actor->kind != coord::Actor::Kind::agent) {
    return fail(Code::not_found, fmt::format("'{}' is for agents, and the caller is none", context.method));
  }
  return actor;
}

void bind_team(wire::Router& router, TeamService& service) {
  Team& team = service.team;
  router.bind(api::inside::kTeamOpen,
              [&team](CallContext&, api::TeamOpenRequest request) { return team.open(std::move(request)); });
  router.bind(api::inside::kTeamJoin,
              [&team](CallContext&, api::TeamJoinRequest request) { return team.join(std::move(request)); });
  router.bind(api::inside::kTeamLeave,
              [&team](CallContext&, api::TeamLeaveRequest request) { return team.leave(std::move(request)); });
  router.bind(api::inside::kTeamLog, [&service](CallContext&, const api::TeamLogRequest& request) {
    return service.journal.behind(request.after);
  });
  router.bind(api::inside::kTeamMail, [&team](CallContext&, api::TeamMailRequest request) -> Result<api::Empty> {
    if (Result<void> set = team.set_mail(std::move(request.unread)); !set) return fail(set.error());
    return api::Empty{};
  });
  router.bind(api::inside::kTeamList, [&team](CallContext&, const api::TeamListRequest&) { return team.info(); });
}

}  // namespace swarm::agentd
