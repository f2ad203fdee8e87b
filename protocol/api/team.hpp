#pragma once
// What makes a sandbox the home of a swarm: the daemon opens the team in its agentd, and says who belongs to it. From
// then on programs inside are known by their uid, and `agent.*`, `lock.*`, `message.*` and `note.*` work there.

#include "protocol/api/agent.hpp"

namespace swarm::api {

struct TeamMember {
  std::string agent;
  std::uint32_t uid = 0;
  std::string user;
  Path home;
  std::string role;
  std::string kind;
  bool lead = false;
  Identity identity = Identity::unknown;
  bool gone = false;
  bool operator==(const TeamMember&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamMember", "An agent, and as whom its programs run.");
    d.field("agent", &TeamMember::agent, "Its name in the swarm: `agent-0`.").required();
    d.field("uid", &TeamMember::uid, "Its uid inside. Its own where `identity` is enforced.").required();
    d.field("user", &TeamMember::user, "The user of that uid: for `exec.start` and panes.").required();
    d.field("home", &TeamMember::home, "Its home directory; it is there and belongs to it.").required();
    d.field("role", &TeamMember::role, "Its role; empty: none.");
    d.field("kind", &TeamMember::kind, "Which program it is: `claude`.");
    d.field("lead", &TeamMember::lead, "It is told of what others leave unanswered.");
    d.field("identity", &TeamMember::identity, "Whether the kernel tells it from the others.").required();
    d.field("gone", &TeamMember::gone, "It left. Its name keeps its uid.");
  }
};

struct TeamOpenRequest {
  std::string swarm;
  std::string name;
  std::int64_t epoch = 1;
  std::uint32_t messages_per_minute = 120;
  bool operator==(const TeamOpenRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamOpenRequest", "Whose home the sandbox becomes.");
    d.field("swarm", &TeamOpenRequest::swarm, "The swarm's id.").required().non_empty().max_length(40);
    d.field("name", &TeamOpenRequest::name, "The swarm's name.").max_length(100);
    d.field("epoch", &TeamOpenRequest::epoch,
            "Of this authority over locks and messages; first part of every fencing token. Never smaller than before.")
        .min(1);
    d.field("messages_per_minute", &TeamOpenRequest::messages_per_minute,
            "Messages that one agent may send in a minute; each recipient counts as one.")
        .min(1)
        .max(10'000'000);
  }
};

struct TeamInfo {
  std::string swarm;
  std::string name;
  std::int64_t epoch = 1;
  Identity identity = Identity::unknown;
  std::vector<TeamMember> members;
  bool operator==(const TeamInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamInfo", "The team of a sandbox.");
    d.field("swarm", &TeamInfo::swarm, "The swarm's id.").required();
    d.field("name", &TeamInfo::name, "The swarm's name.");
    d.field("epoch", &TeamInfo::epoch, "Of this authority.").required();
    d.field("identity", &TeamInfo::identity,
            "`enforced`: each agent has a uid of its own. `cooperative`: the platform gives one uid only, and an agent "
            "is believed to be who it says.")
        .required();
    d.field("members", &TeamInfo::members, "Its agents, in the order in which they came.").required();
  }
};

struct TeamJoinRequest {
  std::string agent;
  std::string role;
  std::string kind;
  bool lead = false;
  std::vector<AgentSkill> skills;
  bool operator==(const TeamJoinRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamJoinRequest", "Who joins.");
    d.field("agent", &TeamJoinRequest::agent, "Its name: `agent-0`, `agent-1`, ...")
        .required()
        .non_empty()
        .max_length(64);
    d.field("role", &TeamJoinRequest::role, "Its role.").max_length(64);
    d.field("kind", &TeamJoinRequest::kind, "Which program it is: `claude`.").max_length(64);
    d.field("lead", &TeamJoinRequest::lead, "It is told of what others leave unanswered.");
    d.field("skills", &TeamJoinRequest::skills, "What it is good at.").max_length(100);
  }
};

struct TeamLeaveRequest {
  std::string agent;
  std::string reason;
  bool operator==(const TeamLeaveRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamLeaveRequest", "Who leaves.");
    d.field("agent", &TeamLeaveRequest::agent, "Its name.").required().non_empty().max_length(64);
    d.field("reason", &TeamLeaveRequest::reason, "Why, for those who ask.").max_length(500);
  }
};

struct TeamListRequest {
  bool operator==(const TeamListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamListRequest", "Which team: that of the swarm.");
  }
};

/// The methods as agentd serves them to the daemon.
namespace inside {

inline constexpr Method<TeamOpenRequest, TeamInfo> kTeamOpen{{
    .name = "team.open",
    .doc = "Makes the sandbox the home of a swarm. Again with the same swarm: nothing but a newer epoch, name or "
           "rate is taken over. Survives restarts of agentd.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition, "it is the home of another swarm, or had a larger epoch"}},
}};
inline constexpr Method<TeamJoinRequest, TeamMember> kTeamJoin{{
    .name = "team.join",
    .doc = "Adds an agent, or brings one back: gives it a uid, a home and a place in the registry. Again with the same "
           "name: the same uid.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition, "no team is open"},
               {Code::resource_exhausted, "all uids of this sandbox are given"}},
}};
inline constexpr Method<TeamLeaveRequest, TeamMember> kTeamLeave{{
    .name = "team.leave",
    .doc = "An agent's program has ended for good: its locks come free, and nobody can write to it any more. Ends no "
           "program.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition, "no team is open"}, {Code::not_found, "no such agent"}},
}};
inline constexpr Method<TeamListRequest, TeamInfo> kTeamList{{
    .name = "team.list",
    .doc = "Says whose home the sandbox is and who belongs to it.",
    .caller = Caller::daemon,
    .errors = {{Code::failed_precondition, "no team is open"}},
}};

}  // namespace inside

// The same for people and tools on the host, who say which sandbox is meant. `swarmctl deploy` does it by itself.
inline constexpr Method<InSandbox<TeamOpenRequest>, TeamInfo> kTeamOpen{{
    .name = "team.open",
    .doc = "Makes a sandbox the home of a swarm, without a workflow: its agents talk, lock and take notes.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox"},
               {Code::already_exists, "the swarm has its home elsewhere"},
               {Code::failed_precondition, "it is the home of another swarm, or had a larger epoch"}},
}};
inline constexpr Method<InSwarm<TeamJoinRequest>, TeamMember> kTeamJoin{{
    .name = "team.join",
    .doc = "Adds an agent to a swarm: a uid, a home and a place in the registry.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm"}, {Code::resource_exhausted, "all uids of its sandbox are given"}},
}};
inline constexpr Method<InSwarm<TeamLeaveRequest>, TeamMember> kTeamLeave{{
    .name = "team.leave",
    .doc = "An agent's program has ended for good: its locks come free, and nobody can write to it any more.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm or agent"}},
}};
inline constexpr Method<InSwarm<TeamListRequest>, TeamInfo> kTeamList{{
    .name = "team.list",
    .doc = "Says who belongs to a swarm, and as whom their programs run.",
    .errors = {{Code::not_found, "no such swarm"}},
}};

/// As agentd serves them.
std::span<const MethodInfo* const> team_inside_methods();
/// As the daemon does.
std::span<const MethodInfo* const> team_methods();

}  // namespace swarm::api
