#pragma once
// Who is in a swarm, what each can and does.

#include "protocol/api/agent_delivery.hpp"
#include "protocol/api/method.hpp"
#include "protocol/api/sandbox_types.hpp"

namespace swarm::api {

/// The method of a person on the host, as the daemon calls it on the agentd that is the swarm's authority.
constexpr MethodInfo for_the_daemon(MethodInfo method) {
  method.caller = Caller::daemon;
  return method;
}

/// A request within a swarm, as clients on the host and agents send it.
template <class T>
struct InSwarm : T {
  std::optional<std::string> swarm;
  bool operator==(const InSwarm&) const = default;

  template <class D>
  static void describe(D& d) {
    d.field(
         "swarm", &InSwarm::swarm,
         "The swarm: its id, a unique prefix of it, or its name. Needed on the host where there are several; inside a "
         "sandbox it is always its own.")
        .non_empty()
        .max_length(100);
    T::describe(d);
  }
};

enum class AgentState : std::uint8_t { starting, working, idle, waiting, rate_limited, stale, gone, unknown };

template <class D>
void describe_enum(D& d, AgentState*) {
  d.type("AgentState", "What an agent does.");
  d.value("starting", AgentState::starting, "Its program comes up.");
  d.value("working", AgentState::working, "In a turn.");
  d.value("idle", AgentState::idle, "Waits for something to do.");
  d.value("waiting", AgentState::waiting, "Waits for a person, a permission or a lock.");
  d.value("rate_limited", AgentState::rate_limited, "Parked until its provider lets it go on.");
  d.value("stale", AgentState::stale, "Not heard of for too long.");
  d.value("gone", AgentState::gone, "Its program has ended.");
  d.value("unknown", AgentState::unknown, "A state of a newer version.");
  d.unknown(AgentState::unknown);
}

struct AgentSkill {
  std::string name;
  double rate = 0.5;
  bool operator==(const AgentSkill&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentSkill", "Something that an agent is good at.");
    d.field("name", &AgentSkill::name, "What; compared without case.").required().non_empty().max_length(100);
    d.field("rate", &AgentSkill::rate, "How often it succeeded.").min(0).max(1);
  }
};

struct AgentCard {
  std::vector<AgentSkill> skills;
  std::vector<std::string> tools;
  double availability = 1;
  std::string about;
  bool operator==(const AgentCard&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentCard", "What an agent says of itself, for others to find it by.");
    d.field("skills", &AgentCard::skills, "What it is good at.").max_length(100);
    d.field("tools", &AgentCard::tools, "Tools that it has.").max_length(100);
    d.field("availability", &AgentCard::availability, "How free it is; 0 takes nothing.").min(0).max(1);
    d.field("about", &AgentCard::about, "A few words.").max_length(1000);
  }
};

enum class StallKind : std::uint8_t { asleep, silent, looping, dialog, logged_out, rate_limited, unknown };

template <class D>
void describe_enum(D& d, StallKind*) {
  d.type("StallKind", "How an agent does not go on.");
  d.value("asleep", StallKind::asleep, "It waits for input and does not take its mail.");
  d.value("silent", StallKind::silent, "It works, and nothing new shows and no call comes.");
  d.value("looping", StallKind::looping, "Its screen goes round through what it showed before.");
  d.value("dialog", StallKind::dialog, "It asks for a permission; nobody answers that for it.");
  d.value("logged_out", StallKind::logged_out, "It has no credentials, or no credit.");
  d.value("rate_limited", StallKind::rate_limited, "Its provider lets it wait for long.");
  d.value("unknown", StallKind::unknown, "A kind of a newer version.");
  d.unknown(StallKind::unknown);
}

enum class StallRung : std::uint8_t { nudge, interrupt, restart, replace, human, unknown };

template <class D>
void describe_enum(D& d, StallRung*) {
  d.type("StallRung", "What is done about it; the next when that has not helped.");
  d.value("nudge", StallRung::nudge, "It is asked to go on.");
  d.value("interrupt", StallRung::interrupt, "What it does is stopped, as by a person.");
  d.value("restart", StallRung::restart, "Its program is started again and goes on with its conversation.");
  d.value("replace", StallRung::replace,
          "It is started anew in its pane, with its first brief: another conversation on what the one before left.");
  d.value("human", StallRung::human, "A person is told.");
  d.value("unknown", StallRung::unknown, "A step of a newer version.");
  d.unknown(StallRung::unknown);
}

struct AgentStalled {
  StallKind kind = StallKind::unknown;
  StallRung rung = StallRung::unknown;
  std::string seen;
  std::string outcome;
  std::int64_t time_us = 0;
  bool operator==(const AgentStalled&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentStalled", "A step that was taken since an agent did not go on.");
    d.field("kind", &AgentStalled::kind, "How it stalled.").required();
    d.field("rung", &AgentStalled::rung, "What was done.").required();
    d.field("seen", &AgentStalled::seen, "What shows that.").required();
    d.field("outcome", &AgentStalled::outcome, "What came of it; empty: it was done.");
    d.field("time_us", &AgentStalled::time_us, "When, UTC.").required();
  }
};

struct AgentProgram {
  std::string state;
  bool running = false;
  std::uint32_t restarts = 0;
  std::uint64_t log_end = 0;
  std::int64_t output_us = 0;
  std::optional<StallKind> stall;
  std::optional<std::int64_t> stalled_us;
  bool operator==(const AgentProgram&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentProgram", "An agent's program in its pane, when it was last looked at.");
    d.field("state", &AgentProgram::state, "What its screen says: a PaneState.").required();
    d.field("running", &AgentProgram::running, "It has not ended.").required();
    d.field("restarts", &AgentProgram::restarts, "How often it was started again.");
    d.field("log_end", &AgentProgram::log_end, "Bytes of output so far.");
    d.field("output_us", &AgentProgram::output_us, "When it last wrote something, UTC.");
    d.field("stall", &AgentProgram::stall, "How it does not go on; absent: it does.");
    d.field("stalled_us", &AgentProgram::stalled_us, "Since when, UTC.");
  }
};

struct AgentInfo {
  std::string id;
  std::string role;
  AgentState state = AgentState::unknown;
  Identity identity = Identity::unknown;
  std::optional<std::uint32_t> uid;
  std::string task;
  std::string detail;
  std::int64_t registered_us = 0;
  std::int64_t heartbeat_us = 0;
  std::vector<std::string> locks;
  std::uint64_t unread = 0;
  AgentCard card;
  std::optional<AgentDelivery> delivery;
  std::optional<AgentProgram> program;
  std::vector<AgentStalled> stalls;
  bool operator==(const AgentInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentInfo", "An agent of a swarm.");
    d.field("id", &AgentInfo::id, "Its name in the swarm: `agent-0`.").required();
    d.field("role", &AgentInfo::role, "Its role; empty: none.");
    d.field("state", &AgentInfo::state, "What it does.").required();
    d.field("identity", &AgentInfo::identity, "How sure it is that it is itself that speaks.").required();
    d.field("uid", &AgentInfo::uid, "Its uid inside.");
    d.field("task", &AgentInfo::task, "What it works on.");
    d.field("detail", &AgentInfo::detail, "Why it is in its state.");
    d.field("registered_us", &AgentInfo::registered_us, "When it first came, UTC.").required();
    d.field("heartbeat_us", &AgentInfo::heartbeat_us, "The last sign of life, UTC.").required();
    d.field("locks", &AgentInfo::locks, "Ids of the locks that it holds.");
    d.field("unread", &AgentInfo::unread, "Messages in its queue.");
    d.field("card", &AgentInfo::card, "What it says of itself.");
    d.field("delivery", &AgentInfo::delivery, "How messages reach it; absent: its program was never heard of.");
    d.field("program", &AgentInfo::program, "Its program; absent: it has no pane.");
    d.field("stalls", &AgentInfo::stalls, "The last steps that were taken since it did not go on, oldest first.");
  }
};

struct AgentListRequest {
  std::optional<std::string> role;
  std::vector<AgentState> states;
  bool all = false;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const AgentListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentListRequest", "Which agents.");
    d.field("role", &AgentListRequest::role, "Only those of this role.").non_empty().max_length(64);
    d.field("states", &AgentListRequest::states, "Only those in one of these states.").max_length(20);
    d.field("all", &AgentListRequest::all, "Also those that are stale or gone.");
    d.field("limit", &AgentListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &AgentListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct AgentListReply {
  std::vector<AgentInfo> agents;
  std::optional<std::string> next_cursor;
  bool operator==(const AgentListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentListReply", "Agents, by name.");
    d.field("agents", &AgentListReply::agents, "The agents.").required();
    d.field("next_cursor", &AgentListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct AgentInfoRequest {
  std::string agent;
  bool operator==(const AgentInfoRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentInfoRequest", "Which agent.");
    d.field("agent", &AgentInfoRequest::agent, "Its name.").required().non_empty().max_length(64);
  }
};

struct AgentFindRequest {
  std::vector<std::string> skills;
  std::vector<std::string> tools;
  std::vector<std::string> except;
  bool operator==(const AgentFindRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentFindRequest", "What an agent has to be able to do.");
    d.field("skills", &AgentFindRequest::skills, "All of these skills; compared without case.").max_length(100);
    d.field("tools", &AgentFindRequest::tools, "All of these tools.").max_length(100);
    d.field("except", &AgentFindRequest::except, "Not these agents.").max_length(1000);
  }
};

struct AgentCandidate {
  std::string agent;
  double score = 0;
  bool operator==(const AgentCandidate&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentCandidate", "An agent that can do it.");
    d.field("agent", &AgentCandidate::agent, "Its name.").required();
    d.field("score", &AgentCandidate::score, "Mean rate of the skills, times availability.").required();
  }
};

struct AgentFindReply {
  std::vector<AgentCandidate> candidates;
  bool operator==(const AgentFindReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentFindReply", "Who can do it, best first.");
    d.field("candidates", &AgentFindReply::candidates, "The agents.").required();
  }
};

struct AgentUpdateRequest {
  std::optional<AgentState> state;
  std::optional<std::string> task;
  std::optional<std::string> detail;
  std::optional<AgentCard> card;
  bool operator==(const AgentUpdateRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentUpdateRequest", "What the caller does now; what is absent stays. Also a sign of life.");
    d.field("state", &AgentUpdateRequest::state, "Its state; `stale`, `gone` and `unknown` are not its to say.");
    d.field("task", &AgentUpdateRequest::task, "What it works on.").max_length(1000);
    d.field("detail", &AgentUpdateRequest::detail, "Why it is in its state.").max_length(1000);
    d.field("card", &AgentUpdateRequest::card, "What it says of itself, all of it anew.");
  }
};

struct AgentRegistered {
  std::string role;
  bool proven = true;
  std::int64_t uid = -1;
  bool operator==(const AgentRegistered&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentRegistered", "An agent joined its swarm.");
    d.field("role", &AgentRegistered::role, "Its role.");
    d.field("proven", &AgentRegistered::proven, "Its uid is its own.");
    d.field("uid", &AgentRegistered::uid, "Its uid inside; -1: none.");
  }
};

struct AgentStateChanged {
  AgentState state = AgentState::unknown;
  std::string task;
  std::string detail;
  bool operator==(const AgentStateChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentStateChanged", "An agent does something else.");
    d.field("state", &AgentStateChanged::state, "What it does now.").required();
    d.field("task", &AgentStateChanged::task, "What it works on.");
    d.field("detail", &AgentStateChanged::detail, "Why.");
  }
};

inline constexpr Method<InSwarm<AgentListRequest>, AgentListReply> kAgentList{{
    .name = "agent.list",
    .doc = "Lists the agents of a swarm.",
    .caller = Caller::both,
}};
inline constexpr Method<InSwarm<AgentInfoRequest>, AgentInfo> kAgentInfo{{
    .name = "agent.info",
    .doc = "Says everything about one agent.",
    .caller = Caller::both,
    .errors = {{Code::not_found, "no such agent; the message names those alive"}},
}};
inline constexpr Method<InSwarm<AgentFindRequest>, AgentFindReply> kAgentFind{{
    .name = "agent.find",
    .doc = "Finds living agents by what they can do.",
    .caller = Caller::both,
}};
inline constexpr Method<InSwarm<AgentUpdateRequest>, AgentInfo> kAgentUpdate{{
    .name = "agent.update",
    .doc = "Tells what the calling agent does. Who calls is known from the kernel.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "the caller is no agent of the swarm"},
               {Code::failed_precondition, "it is gone, or several agents share its uid"}},
}};

inline constexpr EventType<AgentRegistered> kAgentRegistered{
    {.name = "agent.registered", .doc = "An agent joined its swarm, or came back."}};
inline constexpr EventType<AgentStateChanged> kAgentState{
    {.name = "agent.state", .doc = "An agent does something else, was lost sight of, or is gone."}};

inline constexpr EventType<AgentStalled> kAgentStalled{
    {.name = "agent.stalled", .doc = "An agent does not go on, and something is done about it."}};

std::span<const MethodInfo* const> agent_methods();
std::span<const EventInfo* const> agent_events();

}  // namespace swarm::api
