#pragma once
// Swarms: a team of agents that works on the user's repository in a sandbox, and brings a branch back.

#include "protocol/api/agent.hpp"
#include "protocol/api/ship.hpp"
#include "protocol/api/swarm_types.hpp"

namespace swarm::api {

struct SwarmCreateRequest {
  std::string repo;
  std::vector<std::string> more_repos{};
  std::string feature;
  std::optional<std::string> name;
  std::string base = "HEAD";
  std::uint32_t agents = 4;
  std::string kind = "demo";
  AgentMode mode = AgentMode::full_screen;
  SwarmTopology topology = SwarmTopology::shared;
  std::vector<SwarmAgentSpec> team;
  std::string workflow = "autonomous-dev";
  std::string definition;
  std::string test_command;
  std::chrono::milliseconds test_timeout_ms{600'000};
  SwarmReviewPolicy review;
  std::optional<std::string> provider;
  std::optional<std::string> template_name;
  std::map<std::string, std::string> env;
  std::map<std::string, std::string> labels;
  bool keep_sandbox = false;
  std::optional<ShipmentWish> ship{};
  bool dry_run = false;
  bool operator==(const SwarmCreateRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmCreateRequest", "The swarm that is wanted.");
    d.field("repo", &SwarmCreateRequest::repo, "The repository: an absolute path on the host.")
        .required()
        .non_empty()
        .max_length(4000);
    d.field("more_repos", &SwarmCreateRequest::more_repos,
            "Further repositories that the same task is over: what is merged lands in all of them or in none.")
        .max_length(50);
    d.field("feature", &SwarmCreateRequest::feature, "What is to be done, in words.")
        .required()
        .non_empty()
        .max_length(100'000);
    d.field("name", &SwarmCreateRequest::name,
            "A name, unique among swarms that are not discarded; the result is branch `swarm/<name>`.")
        .non_empty()
        .max_length(60);
    d.field("base", &SwarmCreateRequest::base, "The branch, tag or commit to begin from.").non_empty().max_length(500);
    d.field("agents", &SwarmCreateRequest::agents, "How many agents, where `team` does not list them.").min(1).max(64);
    d.field("kind", &SwarmCreateRequest::kind,
            "Which program they are: `demo`, the name of a coding agent, or `cmd:PROGRAM`.")
        .non_empty()
        .max_length(1000);
    d.field("mode", &SwarmCreateRequest::mode, "How they are run.");
    d.field("topology", &SwarmCreateRequest::topology, "How they are spread over sandboxes.");
    d.field("team", &SwarmCreateRequest::team, "The agents one by one; `agents` does not count then.").max_length(64);
    d.field("workflow", &SwarmCreateRequest::workflow, "The workflow that they run.").non_empty().max_length(100);
    d.field("definition", &SwarmCreateRequest::definition,
            "The text of a workflow file (TOML), instead of one that is built in.")
        .max_length(1'000'000);
    d.field("test_command", &SwarmCreateRequest::test_command,
            "What must succeed on the merged tree before it lands; run by `sh -c` in a sandbox. Else what the "
            "repository's files tell: a Makefile's `test`, npm, cargo, go, pytest, unittest.")
        .max_length(10'000);
    d.field("test_timeout_ms", &SwarmCreateRequest::test_timeout_ms, "How long that may take.").min(1000);
    d.field("review", &SwarmCreateRequest::review, "How changes are reviewed.");
    d.field("provider", &SwarmCreateRequest::provider, "Who makes the sandbox; else the configured choice.")
        .non_empty()
        .max_length(100);
    d.field("template", &SwarmCreateRequest::template_name, "What the sandbox is made from; else the configured one.")
        .non_empty()
        .max_length(100);
    d.field("env", &SwarmCreateRequest::env, "Environment of the agents' programs.").secret().max_length(1000);
    d.field("labels", &SwarmCreateRequest::labels, "Marks to find it by.").max_length(50);
    d.field("keep_sandbox", &SwarmCreateRequest::keep_sandbox, "Leave the sandbox when the swarm is over.");
    d.field("ship", &SwarmCreateRequest::ship,
            "When it is done, its result is pushed to the remote of the repository, as `swarm.ship` does.");
    d.field("dry_run", &SwarmCreateRequest::dry_run, "Check everything and say what would be done; do nothing.");
  }
};

struct SwarmListRequest {
  bool all = false;
  std::optional<std::string> sandbox;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const SwarmListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmListRequest", "Which swarms.");
    d.field("all", &SwarmListRequest::all, "Also those that are over.");
    d.field("sandbox", &SwarmListRequest::sandbox, "Only the one of this sandbox.").non_empty().max_length(100);
    d.field("limit", &SwarmListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &SwarmListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct SwarmListReply {
  std::vector<SwarmInfo> swarms;
  std::optional<std::string> next_cursor;
  bool operator==(const SwarmListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmListReply", "Swarms, newest first.");
    d.field("swarms", &SwarmListReply::swarms, "The swarms.").required();
    d.field("next_cursor", &SwarmListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

/// Which swarm: the request of methods that take nothing else.
struct SwarmRequest {
  bool operator==(const SwarmRequest&) const = default;
  template <class D>
  static void describe(D& d) {
    d.type("SwarmRequest", "Which swarm.");
  }
};

struct SwarmShutdownRequest {
  bool publish = true;
  std::optional<std::string> reason;
  bool wait = true;
  bool operator==(const SwarmShutdownRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmShutdownRequest", "How to end a swarm.");
    d.field("publish", &SwarmShutdownRequest::publish,
            "Set the branch of the user's repository to what was merged until now, if anything was.");
    d.field("reason", &SwarmShutdownRequest::reason, "Why, for the record.").max_length(500);
    d.field("wait", &SwarmShutdownRequest::wait, "Answer when its sandbox is gone. false: answer when it is recorded.");
  }
};

/// Where the work is in one of several repositories.
struct SwarmFetched {
  std::string name;
  std::string repo;
  std::string commit;
  bool operator==(const SwarmFetched&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmFetched", "Where the work is in one of several repositories.");
    d.field("name", &SwarmFetched::name, "The repository, as it is called inside.").required();
    d.field("repo", &SwarmFetched::repo, "The user's repository, on the host.").required();
    d.field("commit", &SwarmFetched::commit, "What its branch stands at; empty: nothing of it was changed.");
  }
};

struct SwarmFetchReply {
  std::string ref;
  std::string commit;
  bool moved = false;
  std::vector<SwarmFetched> repos{};
  bool operator==(const SwarmFetchReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmFetchReply", "Where the work is now.");
    d.field("ref", &SwarmFetchReply::ref, "The reference in the user's repository.").required();
    d.field("commit", &SwarmFetchReply::commit, "What it stands at; of several repositories what was merged in all.")
        .required();
    d.field("moved", &SwarmFetchReply::moved, "It was set by this call.");
    d.field("repos", &SwarmFetchReply::repos, "Each repository, where there are several.");
  }
};

struct SwarmDiffRequest {
  std::optional<std::string> agent;
  std::optional<std::string> repo{};
  bool stat = false;
  std::uint64_t max_bytes = 4U << 20U;
  bool operator==(const SwarmDiffRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmDiffRequest", "Which difference.");
    d.field("agent", &SwarmDiffRequest::agent, "What this agent has on its branch; else what was merged.")
        .non_empty()
        .max_length(64);
    d.field("repo", &SwarmDiffRequest::repo, "Of several repositories this one alone, with paths as it has them.")
        .non_empty()
        .max_length(64);
    d.field("stat", &SwarmDiffRequest::stat, "Only which files, and how many lines of each.");
    d.field("max_bytes", &SwarmDiffRequest::max_bytes, "Most bytes of text.").min(1).max(16U << 20U);
  }
};

struct SwarmDiffReply {
  std::string from;
  std::string to;
  std::string text;
  bool truncated = false;
  bool operator==(const SwarmDiffReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmDiffReply", "A difference.");
    d.field("from", &SwarmDiffReply::from, "The commit that it begins at.").required();
    d.field("to", &SwarmDiffReply::to, "The commit that it leads to.").required();
    d.field("text", &SwarmDiffReply::text, "The difference as git shows it; malformed UTF-8 as U+FFFD.").required();
    d.field("truncated", &SwarmDiffReply::truncated, "There is more.");
  }
};

struct SwarmCommit {
  std::string commit;
  std::string author;
  std::string email;
  std::int64_t time_us = 0;
  std::string subject;
  std::string body;
  std::vector<std::string> parents;
  std::vector<std::string> repos{};
  bool operator==(const SwarmCommit&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmCommit", "A commit of a swarm.");
    d.field("commit", &SwarmCommit::commit, "Its id.").required();
    d.field("author", &SwarmCommit::author, "Who made it.").required();
    d.field("email", &SwarmCommit::email, "Its author's address.");
    d.field("time_us", &SwarmCommit::time_us, "When it was made, UTC.").required();
    d.field("subject", &SwarmCommit::subject, "The first line of its message.").required();
    d.field("body", &SwarmCommit::body, "The rest of it, with its trailers.");
    d.field("parents", &SwarmCommit::parents, "Its parents.");
    d.field("repos", &SwarmCommit::repos, "Which of several repositories it changes.");
  }
};

struct SwarmLogRequest {
  std::uint32_t limit = 100;
  std::optional<std::string> repo{};
  bool operator==(const SwarmLogRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmLogRequest", "How much of the history.");
    d.field("limit", &SwarmLogRequest::limit, "Most commits.").min(1).max(1000);
    d.field("repo", &SwarmLogRequest::repo, "Of several repositories this one alone: the commits that its branch gets.")
        .non_empty()
        .max_length(64);
  }
};

struct SwarmLogReply {
  std::vector<SwarmCommit> commits;
  bool operator==(const SwarmLogReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmLogReply", "What was merged.");
    d.field("commits", &SwarmLogReply::commits, "The commits since the base, newest first.").required();
  }
};

struct SwarmDiscardRequest {
  bool branch = false;
  bool operator==(const SwarmDiscardRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmDiscardRequest", "What of a swarm's work is thrown away.");
    d.field("branch", &SwarmDiscardRequest::branch,
            "Also the branch of the user's repository, if it still stands where it was set.");
  }
};

/// Data of `swarm.state`.
struct SwarmStateChanged {
  SwarmState from = SwarmState::unknown;
  SwarmState to = SwarmState::unknown;
  SwarmStep step = SwarmStep::unknown;
  std::optional<std::string> reason;
  bool operator==(const SwarmStateChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmStateChanged", "A step in a swarm's life.");
    d.field("from", &SwarmStateChanged::from, "The state before.").required();
    d.field("to", &SwarmStateChanged::to, "The state now.").required();
    d.field("step", &SwarmStateChanged::step, "What is being done for it now.").required();
    d.field("reason", &SwarmStateChanged::reason, "Why.");
  }
};

/// Data of `swarm.agent`.
struct SwarmAgentChanged {
  std::string agent;
  std::string state;
  std::uint32_t starts = 0;
  std::string reason;
  bool operator==(const SwarmAgentChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmAgentChanged", "What the program of an agent does now.");
    d.field("agent", &SwarmAgentChanged::agent, "The agent.").required();
    d.field("state", &SwarmAgentChanged::state, "`running`, `resting`, `gone` or `ended`.").required();
    d.field("starts", &SwarmAgentChanged::starts, "How often its program was started.");
    d.field("reason", &SwarmAgentChanged::reason, "Why it is gone.");
  }
};

/// Data of `swarm.landed`.
struct SwarmLanded {
  std::string commit;
  std::string author;
  std::string title;
  bool operator==(const SwarmLanded&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmLanded", "A change was merged.");
    d.field("commit", &SwarmLanded::commit, "The merged commit.").required();
    d.field("author", &SwarmLanded::author, "The agent whose change it was.");
    d.field("title", &SwarmLanded::title, "What it does.");
  }
};

/// Data of `swarm.merge_refused`.
struct SwarmMergeRefused {
  std::string agent;
  std::string title;
  std::string outcome;
  std::optional<std::int32_t> exit_status;
  std::vector<std::string> paths;
  std::string output;
  bool operator==(const SwarmMergeRefused&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmMergeRefused", "A change was not merged and went back to its author.");
    d.field("agent", &SwarmMergeRefused::agent, "Its author.");
    d.field("title", &SwarmMergeRefused::title, "What it does.");
    d.field("outcome", &SwarmMergeRefused::outcome, "`conflict`, `red` (the tests failed) or `empty`.").required();
    d.field("exit_status", &SwarmMergeRefused::exit_status, "Of the test command, where it ran.");
    d.field("paths", &SwarmMergeRefused::paths, "The files in conflict.");
    d.field("output", &SwarmMergeRefused::output, "The end of what the test printed.");
  }
};

inline constexpr Method<SwarmCreateRequest, SwarmInfo> kSwarmCreate{{
    .name = "swarm.create",
    .doc = "Records a swarm and begins with it; answers at once. `swarm.state` events tell how it goes on.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no repository there, or no such base, template or provider"},
               {Code::already_exists, "the name is taken"},
               {Code::failed_precondition,
                "the repository cannot be used: it has no commit, or is of a kind that is "
                "not supported"}},
}};
inline constexpr Method<SwarmListRequest, SwarmListReply> kSwarmList{{
    .name = "swarm.list",
    .doc = "Lists swarms.",
}};
inline constexpr Method<InSwarm<SwarmRequest>, SwarmInfo> kSwarmInfo{{
    .name = "swarm.info",
    .doc = "Says everything about one swarm.",
    .errors = {{Code::not_found, "no such swarm"}},
}};
inline constexpr Method<InSwarm<SwarmShutdownRequest>, SwarmInfo> kSwarmShutdown{{
    .name = "swarm.shutdown",
    .doc = "Ends a swarm: fetches what was merged, then ends its agents and its sandbox. One that is over is no error.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm"}},
}};
inline constexpr Method<InSwarm<SwarmRequest>, SwarmInfo> kSwarmPause{{
    .name = "swarm.pause",
    .doc = "Stops every program of a swarm until it is resumed.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm"}, {Code::failed_precondition, "it does not work"}},
}};
inline constexpr Method<InSwarm<SwarmRequest>, SwarmInfo> kSwarmResume{{
    .name = "swarm.resume",
    .doc = "Lets a paused swarm go on, or one that failed try again from the step that failed.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm"}, {Code::failed_precondition, "it is neither paused nor failed"}},
}};
inline constexpr Method<InSwarm<SwarmRequest>, SwarmFetchReply> kSwarmFetch{{
    .name = "swarm.fetch",
    .doc = "Sets the branch of the user's repository to what was merged until now; of several repositories in all that "
           "were changed, or in none.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm"}, {Code::failed_precondition, "nothing was merged yet"}},
}};
inline constexpr Method<InSwarm<SwarmDiffRequest>, SwarmDiffReply> kSwarmDiff{{
    .name = "swarm.diff",
    .doc = "Shows what a swarm, or one of its agents, has changed since the base.",
    .errors = {{Code::not_found, "no such swarm, agent or repository"},
               {Code::failed_precondition, "there is nothing yet"}},
}};
inline constexpr Method<InSwarm<SwarmLogRequest>, SwarmLogReply> kSwarmLog{{
    .name = "swarm.log",
    .doc = "Lists the commits that a swarm has merged since the base.",
    .errors = {{Code::not_found, "no such swarm or repository"}},
}};
inline constexpr Method<InSwarm<SwarmDiscardRequest>, SwarmInfo> kSwarmDiscard{{
    .name = "swarm.discard",
    .doc = "Throws away the work of a swarm that is over; its record stays.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm"}, {Code::failed_precondition, "it is not over"}},
}};

inline constexpr EventType<SwarmStateChanged> kSwarmState{
    {.name = "swarm.state", .doc = "A swarm went from one state or step to another."}};
inline constexpr EventType<SwarmAgentChanged> kSwarmAgent{
    {.name = "swarm.agent", .doc = "The program of an agent was started, rests, ended, or was given up."}};
inline constexpr EventType<SwarmLanded> kSwarmLanded{
    {.name = "swarm.landed", .doc = "A change of a swarm passed its review and its tests, and was merged."}};
inline constexpr EventType<SwarmMergeRefused> kSwarmMergeRefused{
    {.name = "swarm.merge_refused", .doc = "A change of a swarm was in conflict, or its tests failed."}};

std::span<const MethodInfo* const> swarm_methods();
std::span<const EventInfo* const> swarm_events();

}  // namespace swarm::api
