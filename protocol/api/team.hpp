#pragma once
// What makes a sandbox the home of a swarm: the daemon opens the team in its agentd, and says who belongs to it. From
// then on programs inside are known by their uid, and `agent.*`, `lock.*`, `message.*` and `note.*` work there.

#include "protocol/api/agent.hpp"

namespace swarm::api {

/// Uids of agents begin here, where each has one of its own.
inline constexpr std::uint32_t kFirstAgentUid = 2001;

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

struct TeamPatience {
  std::vector<std::chrono::milliseconds> reminders = {std::chrono::seconds(30), std::chrono::seconds(90),
                                                      std::chrono::seconds(210)};
  std::chrono::milliseconds lead_ms{120'000};
  std::chrono::milliseconds human_ms{300'000};
  std::chrono::milliseconds asleep_ms{180'000};
  std::chrono::milliseconds silent_ms{600'000};
  std::chrono::milliseconds dialog_ms{60'000};
  std::chrono::milliseconds rung_ms{120'000};
  bool operator==(const TeamPatience&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamPatience", "How long a team waits for its agents.");
    d.field("reminders", &TeamPatience::reminders,
            "When a message that is not acknowledged is delivered again: milliseconds from its sending, growing.")
        .max_length(20);
    d.field("lead_ms", &TeamPatience::lead_ms, "From the last reminder to telling the lead.").min(1);
    d.field("human_ms", &TeamPatience::human_ms, "From there to telling a person.").min(1);
    d.field("asleep_ms", &TeamPatience::asleep_ms, "An agent that waits for input and leaves its mail.").min(1);
    d.field("silent_ms", &TeamPatience::silent_ms, "One that works and shows nothing new.").min(1);
    d.field("dialog_ms", &TeamPatience::dialog_ms, "One that asks for a permission.").min(1);
    d.field("rung_ms", &TeamPatience::rung_ms, "How long each step against a stall has to help.").min(1);
  }
};

/// Who is asked for messages, locks, notes and the registry of a swarm.
enum class TeamAuthority : std::uint8_t { sandbox, host, unknown };

template <class D>
void describe_enum(D& d, TeamAuthority*) {
  d.type("TeamAuthority", "Who decides about the messages, locks, notes and registry of a swarm.");
  d.value("sandbox", TeamAuthority::sandbox, "The agentd of its one sandbox.");
  d.value("host", TeamAuthority::host, "The daemon: the swarm spans several sandboxes, of which this is one.");
  d.value("unknown", TeamAuthority::unknown, "One of a newer version.");
  d.unknown(TeamAuthority::unknown);
}

struct TeamOpenRequest {
  std::string swarm;
  std::string name;
  std::int64_t epoch = 1;
  std::uint32_t messages_per_minute = 120;
  TeamPatience patience;
  std::optional<TeamAuthority> authority;
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
    d.field("patience", &TeamOpenRequest::patience, "How long the team waits for its agents.");
    d.field("authority", &TeamOpenRequest::authority,
            "Who decides about messages, locks, notes and the registry; absent: the sandbox. It stays as it was when "
            "the team "
            "was opened.");
  }
};

struct TeamInfo {
  std::string swarm;
  std::string name;
  std::int64_t epoch = 1;
  Identity identity = Identity::unknown;
  std::vector<TeamMember> members;
  TeamAuthority authority = TeamAuthority::sandbox;
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
    d.field("authority", &TeamInfo::authority, "Who decides about messages, locks, notes and the registry.");
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

/// An event of the log of a swarm's authority; `type`, `agent` and `data` are those of an event of the daemon's log.
struct TeamLogEvent {
  std::int64_t seq = 0;
  std::int64_t time_us = 0;
  std::string type;
  std::string agent;
  Value data;
  bool operator==(const TeamLogEvent&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamLogEvent", "Something that happened in a team.");
    d.field("seq", &TeamLogEvent::seq, "Its number in that log.").required();
    d.field("time_us", &TeamLogEvent::time_us, "When, UTC, by the clock inside.").required();
    d.field("type", &TeamLogEvent::type, "What: `message.escalated`.").required();
    d.field("agent", &TeamLogEvent::agent, "The agent that it belongs to; empty: none.");
    d.field("data", &TeamLogEvent::data, "As the event's type has it.").required();
  }
};

struct TeamLogRequest {
  std::optional<std::int64_t> after;
  bool operator==(const TeamLogRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamLogRequest", "Which part of the log.");
    d.field("after", &TeamLogRequest::after,
            "What is recorded elsewhere: events up to this number are let go. Absent: from the oldest that is kept.")
        .min(0);
  }
};

struct TeamLogReply {
  std::string store;
  std::int64_t epoch = 0;
  std::string swarm;
  std::vector<TeamLogEvent> events;
  bool operator==(const TeamLogReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamLogReply", "The next part of the log.");
    d.field("store", &TeamLogReply::store, "Which log these numbers are of; survives restarts of agentd.").required();
    d.field("epoch", &TeamLogReply::epoch, "Which life of it.").required();
    d.field("swarm", &TeamLogReply::swarm, "Whose team it is.").required();
    d.field("events", &TeamLogReply::events, "In order, at least one.").required();
  }
};

/// The methods as agentd serves them to the daemon.
namespace inside {

inline constexpr Method<TeamLogRequest, TeamLogReply> kTeamLog{{
    .name = "team.log",
    .doc = "The durable log of the team: answers when there is something, also when the team is opened only then.",
    .caller = Caller::daemon,
}};

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
