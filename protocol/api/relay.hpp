#pragma once
// Between the daemon and the agentd of a sandbox that is one of several of a swarm: the daemon is the authority over
// messages, locks, notes and the registry then. What agents ask goes up, with the agent that the kernel named; that
// there is mail for one comes down. The daemon believes a sandbox in what it says of the agents that live there, and
// of no others.

#include "protocol/api/hook.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/team.hpp"

namespace swarm::api {

struct RelayCallRequest {
  std::optional<std::string> agent;
  std::string method;
  Value arguments;
  bool operator==(const RelayCallRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RelayCallRequest", "A call of an agent on its swarm.");
    d.field("agent", &RelayCallRequest::agent,
            "The agent that calls, as the kernel said; it lives in this sandbox. Absent: the sandbox itself, which may "
            "only look.")
        .non_empty()
        .max_length(64);
    d.field("method", &RelayCallRequest::method, "One of `agent.*`, `lock.*`, `message.*`, `note.*`.")
        .required()
        .non_empty()
        .max_length(64);
    d.field("arguments", &RelayCallRequest::arguments,
            "A map, as the method has it. Paths of locks are those of the repository.");
  }
};

struct RelayCallReply {
  Value answer;
  bool operator==(const RelayCallReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RelayCallReply", "What the method answers.");
    d.field("answer", &RelayCallReply::answer, "As the method has it.");
  }
};

struct RelayHookPath {
  std::string repository;
  Path path;
  bool own = false;
  bool operator==(const RelayHookPath&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RelayHookPath", "A file that is about to be changed.");
    d.field("repository", &RelayHookPath::repository, "Its repository; empty: there is none.").max_length(255);
    d.field("path", &RelayHookPath::path, "In the repository.").required().non_empty().max_length(4096);
    d.field("own", &RelayHookPath::own, "It is in the worktree of the agent alone.");
  }
};

struct RelayHookRequest {
  std::string agent;
  std::string event;
  std::string tool;
  std::string detail;
  std::vector<RelayHookPath> paths;
  bool take = true;
  bool wake = false;
  std::uint64_t max_bytes = 32768;
  bool operator==(const RelayHookRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RelayHookRequest", "Something happened in the program of an agent of this sandbox.");
    d.field("agent", &RelayHookRequest::agent, "Whose program it is.").required().non_empty().max_length(64);
    d.field("event", &RelayHookRequest::event, "As `hook.event` has it.").required().non_empty().max_length(64);
    d.field("tool", &RelayHookRequest::tool, "The tool that it is about.").max_length(200);
    d.field("detail", &RelayHookRequest::detail, "How it began, or what it says.").max_length(500);
    d.field("paths", &RelayHookRequest::paths, "Files that are locked for the agent, all or none.").max_length(500);
    d.field("take", &RelayHookRequest::take, "Whether messages are handed out.");
    d.field("wake", &RelayHookRequest::wake, "The prompt is agentd's own.");
    d.field("max_bytes", &RelayHookRequest::max_bytes, "About this much text of messages; at least one.").min(1);
  }
};

struct RelayReportRequest {
  std::string agent;
  std::optional<AgentState> state;
  std::optional<std::string> detail;
  std::optional<std::string> ended;
  std::optional<std::string> nudge;
  std::optional<AgentStalled> stalled;
  bool operator==(const RelayReportRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RelayReportRequest", "What is seen of an agent's program. Nothing but its name: it lives.");
    d.field("agent", &RelayReportRequest::agent, "Whose program it is.").required().non_empty().max_length(64);
    d.field("state", &RelayReportRequest::state, "What its screen shows that it does.");
    d.field("detail", &RelayReportRequest::detail, "Why it is in that state.").max_length(500);
    d.field("ended", &RelayReportRequest::ended, "It has ended, for this reason: its locks come free.").max_length(500);
    d.field("nudge", &RelayReportRequest::nudge, "It is told this, by the swarm.").non_empty().max_length(2000);
    d.field("stalled", &RelayReportRequest::stalled, "It does not go on, and this was done.");
  }
};

struct TeamMailRequest {
  std::map<std::string, std::uint64_t> unread;
  bool operator==(const TeamMailRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TeamMailRequest", "How much mail waits for the agents of this sandbox.");
    d.field("unread", &TeamMailRequest::unread, "Messages in each one's queue; an agent that is not named has none.");
  }
};

/// From agentd to the daemon.
inline constexpr Method<RelayCallRequest, RelayCallReply> kRelayCall{{
    .name = "relay.call",
    .doc = "An agent's call on its swarm, where the daemon is the authority of it.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::permission_denied, "no such agent lives in this sandbox, or agents may not call that"},
               {Code::failed_precondition, "the sandbox is its swarm's own authority, or the swarm is paused"}},
}};
inline constexpr Method<RelayHookRequest, HookEventReply> kRelayHook{{
    .name = "relay.hook",
    .doc = "What a hook of an agent's program told, where the daemon is the authority of its swarm.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::permission_denied, "no such agent lives in this sandbox"}},
}};
inline constexpr Method<RelayReportRequest, Empty> kRelayReport{{
    .name = "relay.report",
    .doc = "What agentd sees of an agent's program, where the daemon is the authority of its swarm.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::permission_denied, "no such agent lives in this sandbox"}},
}};

namespace inside {

inline constexpr Method<TeamMailRequest, Empty> kTeamMail{{
    .name = "team.mail",
    .doc = "Says for which agents messages wait, where the daemon is the authority of their swarm.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition, "no team is open, or this sandbox is its own authority"}},
}};

}  // namespace inside

std::span<const MethodInfo* const> relay_methods();

}  // namespace swarm::api
