#pragma once
// What agents and the daemon ask of a team. Two kinds of callers: the daemon, who speaks for a person on the host, and
// programs of the sandbox, who are the agent of their uid. Neither is ever taken from the arguments.

#include "agentd/team/checkouts.hpp"
#include "agentd/team/journal.hpp"
#include "agentd/team/team.hpp"
#include "protocol/api/agent_delivery.hpp"
#include "protocol/authority/desk.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// What the methods of the team work with; outlives the router.
struct TeamService {
  async::Loop& loop;
  Random& random;
  Team& team;
  Checkouts checkouts;
  Journal journal;
  authority::Desk desk;  ///< where this agentd is the authority
  /// Called after a hook of this agent's program told something.
  std::function<void(const std::string& agent, bool woken_in_vain)> heard;

  TeamService(async::Loop& l, Random& r, Team& t);
};

/// Who calls: a person for the daemon, else who the kernel says. A request's `swarm`, where it is given, must be the
/// one that lives here. `failed_precondition` while no team is open, `permission_denied` for an unknown uid.
Result<coord::Actor> caller_of(TeamService& service, const wire::CallContext& context,
                               const std::optional<std::string>& swarm);

/// The same where only an agent will do; its name. `not_found` for others.
Result<coord::Actor> agent_of(TeamService& service, const wire::CallContext& context,
                              const std::optional<std::string>& swarm);

/// Serves `team.*` to the daemon.
void bind_team(wire::Router& router, TeamService& service);
/// Serves `agent.*`, `lock.*`, `message.*` and `note.*` to both; those of a far team by passing them on.
void bind_coordination(wire::Router& router, TeamService& service);
/// Serves `hook.event` to the hooks of agents' programs.
void bind_hook(wire::Router& router, TeamService& service);

/// How messages reach an agent; nothing where its program was never heard of.
std::optional<api::AgentDelivery> delivery_info(const coord::Turn& turn, const std::string& agent);

}  // namespace swarm::agentd
