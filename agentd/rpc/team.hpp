#pragma once
// What agents and the daemon ask of a team. Two kinds of callers: the daemon, who speaks for a person on the host, and
// programs of the sandbox, who are the agent of their uid. Neither is ever taken from the arguments.

#include "agentd/team/checkouts.hpp"
#include "agentd/team/journal.hpp"
#include "agentd/team/team.hpp"
#include "protocol/api/agent_delivery.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// What the methods of the team work with; outlives the router.
struct TeamService {
  async::Loop& loop;
  Random& random;
  Team& team;
  Checkouts checkouts;
  Journal journal;
  async::Condition notes_changed;
  /// Called after a hook of this agent's program told something.
  std::function<void(const std::string& agent, bool woken_in_vain)> heard;
  /// Adds what is known of its program to what is told of an agent; `whole`: its stalls too. May be empty.
  std::function<void(api::AgentInfo& info, bool whole)> add_program;

  TeamService(async::Loop& l, Random& r, Team& t);
};

/// The name of the person for whom the daemon speaks.
inline constexpr std::string_view kPerson = "human";

/// Who calls: a person for the daemon, else who the kernel says. A request's `swarm`, where it is given, must be the
/// one that lives here. `failed_precondition` while no team is open, `permission_denied` for an unknown uid.
Result<coord::Actor> caller_of(TeamService& service, const wire::CallContext& context,
                               const std::optional<std::string>& swarm);

/// The same where only an agent will do; its name. `not_found` for others.
Result<coord::Actor> agent_of(TeamService& service, const wire::CallContext& context,
                              const std::optional<std::string>& swarm);

/// Serves `team.*` to the daemon.
void bind_team(wire::Router& router, TeamService& service);
/// Serve `agent.*`, `lock.*`, `message.*` and `note.*` to both.
void bind_agent(wire::Router& router, TeamService& service);
void bind_lock(wire::Router& router, TeamService& service);
void bind_message(wire::Router& router, TeamService& service);
void bind_note(wire::Router& router, TeamService& service);
/// Serves `hook.event` to the hooks of agents' programs.
void bind_hook(wire::Router& router, TeamService& service);

/// The wire forms.
api::LockInfo lock_info(const coord::Lease& lease, coord::Span paused);
api::MessageLetter letter_info(const coord::Letter& letter, const coord::Turn& turn);
/// How messages reach an agent; nothing where its program was never heard of.
std::optional<api::AgentDelivery> delivery_info(const coord::Turn& turn, const std::string& agent);

constexpr api::Identity identity_of(bool proven) {
  return proven ? api::Identity::enforced : api::Identity::cooperative;
}

}  // namespace swarm::agentd
