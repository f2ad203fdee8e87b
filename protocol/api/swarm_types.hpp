#pragma once
// What is said about a swarm: a team of agents with one goal on one repository, from the call that wants it to the
// branch that it brings back.

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class SwarmState : std::uint8_t {
  preparing,
  working,
  paused,
  delivering,
  done,
  failed,
  ended,
  discarded,
  unknown
};

template <class D>
void describe_enum(D& d, SwarmState*) {
  d.type("SwarmState", "Where a swarm is in its life.");
  d.value("preparing", SwarmState::preparing, "Its sandbox, repository and agents come up.");
  d.value("working", SwarmState::working, "Its run is under way.");
  d.value("paused", SwarmState::paused, "Its programs stand still until it is resumed.");
  d.value("delivering", SwarmState::delivering, "Its run is over; what was merged goes to the user's repository.");
  d.value("done", SwarmState::done, "The result is a branch of the user's repository.");
  d.value("failed", SwarmState::failed, "It could not finish; what was merged until then is kept.");
  d.value("ended", SwarmState::ended, "It was shut down before it was finished; what was merged until then is kept.");
  d.value("discarded", SwarmState::discarded, "Nothing of its work is kept any more.");
  d.value("unknown", SwarmState::unknown, "A state of a newer version.");
  d.unknown(SwarmState::unknown);
}

enum class SwarmStep : std::uint8_t {
  none,
  sandbox,
  team,
  import,
  agents,
  run,
  deliver,
  publish,
  teardown,
  over,
  unknown,
};

template <class D>
void describe_enum(D& d, SwarmStep*) {
  d.type("SwarmStep", "What is being done for a swarm. After a crash it goes on with the step it was in.");
  d.value("none", SwarmStep::none, "Recorded; nothing was done yet.");
  d.value("sandbox", SwarmStep::sandbox, "A sandbox is claimed or made.");
  d.value("team", SwarmStep::team, "The team is opened, and its agents join: each gets a uid and a home.");
  d.value("import", SwarmStep::import, "The repository goes in, and each agent gets a worktree.");
  d.value("agents", SwarmStep::agents, "The agents' programs are started.");
  d.value("run", SwarmStep::run, "The workflow runs.");
  d.value("deliver", SwarmStep::deliver, "What was merged is fetched, and checked.");
  d.value("publish", SwarmStep::publish, "The branch of the user's repository is set.");
  d.value("teardown", SwarmStep::teardown, "The agents and their sandbox are ended.");
  d.value("over", SwarmStep::over, "Nothing is left to do.");
  d.value("unknown", SwarmStep::unknown, "A step of a newer version.");
  d.unknown(SwarmStep::unknown);
}

/// How a swarm's agents are spread over sandboxes.
enum class SwarmTopology : std::uint8_t { shared, per_agent, per_role, per_exec, unknown };

template <class D>
void describe_enum(D& d, SwarmTopology*) {
  d.type("SwarmTopology", "How a swarm's agents are spread over sandboxes.");
  d.value("shared", SwarmTopology::shared, "All in one, each with a worktree and a uid of its own.");
  d.value("per_agent", SwarmTopology::per_agent,
          "One for each agent, and one without agents where changes are merged.");
  d.value("per_role", SwarmTopology::per_role, "One for all agents of a role, and one where changes are merged.");
  d.value("per_exec", SwarmTopology::per_exec, "One for each program that is run.");
  d.value("unknown", SwarmTopology::unknown, "One of a newer version.");
  d.unknown(SwarmTopology::unknown);
}

/// A sandbox of a swarm that has several.
struct SwarmPlace {
  std::string name;
  std::string sandbox;
  std::string provider;
  std::vector<std::string> agents;
  bool operator==(const SwarmPlace&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmPlace", "A sandbox of a swarm that has several.");
    d.field("name", &SwarmPlace::name,
            "What it is for: `integration`, where changes are tested and merged; an agent; or a role.")
        .required();
    d.field("sandbox", &SwarmPlace::sandbox, "The sandbox; empty: it has none now.");
    d.field("provider", &SwarmPlace::provider, "Who made that.");
    d.field("agents", &SwarmPlace::agents, "The agents that live in it.");
  }
};

enum class AgentMode : std::uint8_t { full_screen, one_shot, unknown };

template <class D>
void describe_enum(D& d, AgentMode*) {
  d.type("AgentMode", "How the program of an agent is run.");
  d.value("full_screen", AgentMode::full_screen, "In a pane for as long as there is work; people can talk to it.");
  d.value("one_shot", AgentMode::one_shot,
          "It does what it finds to do and ends; it is started again when there is something for it.");
  d.value("unknown", AgentMode::unknown, "A mode of a newer version.");
  d.unknown(AgentMode::unknown);
}

/// An agent that a swarm is wanted with.
struct SwarmAgentSpec {
  std::string kind;
  std::optional<AgentMode> mode{};
  std::string role;
  std::vector<std::string> skills;
  bool operator==(const SwarmAgentSpec&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmAgentSpec", "An agent that is wanted.");
    d.field("kind", &SwarmAgentSpec::kind,
            "Which program: `demo`, the name of a coding agent, or `cmd:PROGRAM`; else as the swarm says.")
        .max_length(1000);
    d.field("mode", &SwarmAgentSpec::mode, "How it is run; else as the swarm says.");
    d.field("role", &SwarmAgentSpec::role, "Its role; else `engineer`.").max_length(64);
    d.field("skills", &SwarmAgentSpec::skills, "What it is good at.").max_length(100);
  }
};

/// An agent of a swarm as it is.
struct SwarmAgentInfo {
  std::string id;
  std::string kind;
  AgentMode mode = AgentMode::full_screen;
  std::string role;
  bool lead = false;
  std::vector<std::string> skills;
  std::optional<std::uint32_t> uid;
  std::string user;
  std::string worktree;
  std::string branch;
  std::string state;
  std::string reason;
  std::string task;
  std::string pane;
  std::uint32_t starts = 0;
  std::string sandbox{};
  bool operator==(const SwarmAgentInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmAgentInfo", "An agent of a swarm, as the daemon keeps it.");
    d.field("id", &SwarmAgentInfo::id, "Its name in the swarm: `agent-0`.").required();
    d.field("kind", &SwarmAgentInfo::kind, "Which program it is.").required();
    d.field("mode", &SwarmAgentInfo::mode, "How it is run.");
    d.field("role", &SwarmAgentInfo::role, "Its role.");
    d.field("lead", &SwarmAgentInfo::lead, "It leads: what nobody answers comes to it.");
    d.field("skills", &SwarmAgentInfo::skills, "What it is good at.");
    d.field("uid", &SwarmAgentInfo::uid, "Its uid inside, once it has joined.");
    d.field("user", &SwarmAgentInfo::user, "Its user name inside.");
    d.field("worktree", &SwarmAgentInfo::worktree, "Where it works, inside.");
    d.field("branch", &SwarmAgentInfo::branch, "Its branch, inside.");
    d.field("state", &SwarmAgentInfo::state,
            "What its program does: `running`; `resting` (one-shot, until there is work for it); `gone` (it ended too "
            "often and was given up; others do its work); `ended`; or nothing yet.");
    d.field("reason", &SwarmAgentInfo::reason, "Why it is gone.");
    d.field("task", &SwarmAgentInfo::task, "The task that it holds.");
    d.field("pane", &SwarmAgentInfo::pane, "The pane or the program that it runs in.");
    d.field("starts", &SwarmAgentInfo::starts, "How often its program was started.");
    d.field("sandbox", &SwarmAgentInfo::sandbox, "The sandbox that it lives in.");
  }
};

/// How a swarm's work is reviewed.
struct SwarmReviewPolicy {
  std::uint32_t reviewers = 1;
  std::uint32_t rounds = 4;
  bool operator==(const SwarmReviewPolicy&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmReviewPolicy", "How changes are reviewed before they are merged.");
    d.field("reviewers", &SwarmReviewPolicy::reviewers,
            "How many agents other than its author have to approve a change; 0 merges what nobody has read.")
        .max(20);
    d.field("rounds", &SwarmReviewPolicy::rounds, "After so many rounds a change that is not approved is dropped.")
        .min(1)
        .max(50);
  }
};

struct SwarmTaskCounts {
  std::uint32_t total = 0;
  std::uint32_t waiting = 0;
  std::uint32_t working = 0;
  std::uint32_t reviewing = 0;
  std::uint32_t merged = 0;
  std::uint32_t failed = 0;
  bool operator==(const SwarmTaskCounts&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmTaskCounts", "How far the tasks of a swarm are.");
    d.field("total", &SwarmTaskCounts::total, "All.");
    d.field("waiting", &SwarmTaskCounts::waiting, "For an agent, or for what they depend on.");
    d.field("working", &SwarmTaskCounts::working, "An agent works on them.");
    d.field("reviewing", &SwarmTaskCounts::reviewing, "Done by their authors; in review, in the queue, or disputed.");
    d.field("merged", &SwarmTaskCounts::merged, "Landed.");
    d.field("failed", &SwarmTaskCounts::failed, "Given up.");
  }
};

/// One of several repositories that a swarm works on.
struct SwarmRepo {
  std::string repo;
  std::string name;
  std::string base_commit;
  std::string head;
  std::string published;
  bool operator==(const SwarmRepo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmRepo", "One of several repositories that a swarm works on.");
    d.field("repo", &SwarmRepo::repo, "The user's repository, on the host.").required();
    d.field("name", &SwarmRepo::name, "Its directory inside: `/workspace/<repo_name>/<name>`.").required();
    d.field("base_commit", &SwarmRepo::base_commit, "The commit that work began at.").required();
    d.field("head", &SwarmRepo::head, "What was merged, as a commit of this repository; empty: nothing of it.");
    d.field("published", &SwarmRepo::published, "The commit that its branch was set to last; empty: not yet.");
  }
};

/// Everything about a swarm.
struct SwarmInfo {
  std::string id;
  std::string name;
  SwarmState state = SwarmState::unknown;
  SwarmStep step = SwarmStep::unknown;
  std::string feature;
  std::string repo;
  std::string repo_name;
  std::vector<SwarmRepo> repos{};
  std::string base;
  std::string base_commit;
  std::string branch;
  std::string head;
  std::string published;
  std::vector<std::string> protected_paths;
  std::string sandbox;
  std::string provider;
  SwarmTopology topology = SwarmTopology::shared;
  std::vector<SwarmPlace> places{};
  std::string workflow;
  std::string run;
  std::string test_command;
  SwarmReviewPolicy review;
  std::vector<SwarmAgentInfo> agents;
  SwarmTaskCounts tasks;
  std::string reason;
  bool keep_sandbox = false;
  std::map<std::string, std::string> labels;
  std::int64_t created_us = 0;
  std::int64_t updated_us = 0;
  std::optional<std::int64_t> ended_us;
  bool operator==(const SwarmInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmInfo", "A swarm.");
    d.field("id", &SwarmInfo::id, "Its id.").required();
    d.field("name", &SwarmInfo::name, "Its name.").required();
    d.field("state", &SwarmInfo::state, "Where it is in its life.").required();
    d.field("step", &SwarmInfo::step, "What is being done for it.").required();
    d.field("feature", &SwarmInfo::feature, "What it is to do.");
    d.field("repo", &SwarmInfo::repo, "The user's repository, on the host.");
    d.field("repo_name", &SwarmInfo::repo_name, "Its name inside: `/workspace/<repo_name>`.");
    d.field("repos", &SwarmInfo::repos, "All of its repositories, where there are several.");
    d.field("base", &SwarmInfo::base, "What it began from, as it was named.");
    d.field("base_commit", &SwarmInfo::base_commit, "The commit of that.");
    d.field("branch", &SwarmInfo::branch, "The branch of the user's repository that the result goes to.");
    d.field("head", &SwarmInfo::head, "The newest merged commit that the host has.");
    d.field("published", &SwarmInfo::published, "The commit that `branch` was set to last; empty: not yet.");
    d.field("protected_paths", &SwarmInfo::protected_paths,
            "What it has merged changes these protected paths: a push waits for a person.");
    d.field("sandbox", &SwarmInfo::sandbox, "Its sandbox; of several the one in which changes are merged.");
    d.field("provider", &SwarmInfo::provider, "Who made that.");
    d.field("topology", &SwarmInfo::topology, "How its agents are spread over sandboxes.");
    d.field("places", &SwarmInfo::places, "All of its sandboxes, where it has several.");
    d.field("workflow", &SwarmInfo::workflow, "Which workflow it runs.");
    d.field("run", &SwarmInfo::run, "The run of that.");
    d.field("test_command", &SwarmInfo::test_command, "What must succeed before anything is merged.");
    d.field("review", &SwarmInfo::review, "How changes are reviewed.");
    d.field("agents", &SwarmInfo::agents, "Its agents.");
    d.field("tasks", &SwarmInfo::tasks, "How far its tasks are.");
    d.field("reason", &SwarmInfo::reason, "Why it failed or was ended.");
    d.field("keep_sandbox", &SwarmInfo::keep_sandbox, "Its sandbox is left when it is over.");
    d.field("labels", &SwarmInfo::labels, "Marks to find it by.");
    d.field("created_us", &SwarmInfo::created_us, "When it was wanted, UTC.").required();
    d.field("updated_us", &SwarmInfo::updated_us, "When its record changed last, UTC.");
    d.field("ended_us", &SwarmInfo::ended_us, "When it was over, UTC.");
  }
};

}  // namespace swarm::api
