#pragma once
// Runs: durable executions of a workflow. Each step that acts outside is recorded before and after it acts, so that a
// run goes on where it was after any crash.

#include "protocol/api/from_agent.hpp"

namespace swarm::api {

enum class RunState : std::uint8_t { running, paused, waiting, done, failed, cancelled, unknown };

template <class D>
void describe_enum(D& d, RunState*) {
  d.type("RunState", "Where a run is.");
  d.value("running", RunState::running, "It goes on.");
  d.value("paused", RunState::paused, "A person, or a budget, has halted it; its deadlines stand still.");
  d.value("waiting", RunState::waiting, "A person has to decide; `human.list` says what.");
  d.value("done", RunState::done, "It was delivered.");
  d.value("failed", RunState::failed, "It cannot go on; `run.retry` tries again.");
  d.value("cancelled", RunState::cancelled, "A person has ended it.");
  d.value("unknown", RunState::unknown, "A state of a newer version.");
  d.unknown(RunState::unknown);
}

enum class PhaseState : std::uint8_t { pending, running, done, skipped, failed, unknown };

template <class D>
void describe_enum(D& d, PhaseState*) {
  d.type("PhaseState", "Where a phase or step is.");
  d.value("pending", PhaseState::pending, "Not begun.");
  d.value("running", PhaseState::running, "Under way.");
  d.value("done", PhaseState::done, "Over.");
  d.value("skipped", PhaseState::skipped, "Not needed.");
  d.value("failed", PhaseState::failed, "Went wrong.");
  d.value("unknown", PhaseState::unknown, "A state of a newer version.");
  d.unknown(PhaseState::unknown);
}

enum class MergeOrder : std::uint8_t { task, ready, unknown };

template <class D>
void describe_enum(D& d, MergeOrder*) {
  d.type("MergeOrder", "In which order changes are merged.");
  d.value("task", MergeOrder::task, "That of the tasks; the result does not depend on who is faster.");
  d.value("ready", MergeOrder::ready, "As they become ready, dependencies first.");
  d.value("unknown", MergeOrder::unknown, "An order of a newer version; cannot be asked for.");
  d.unknown(MergeOrder::unknown);
}

struct RunAgent {
  std::string name;
  std::string role;
  std::vector<std::string> skills;
  bool lead = false;
  bool operator==(const RunAgent&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunAgent", "An agent that takes part in a run.");
    d.field("name", &RunAgent::name, "Its name in the swarm.").required().non_empty().max_length(64);
    d.field("role", &RunAgent::role, "Its role; empty: it takes on any.").max_length(64);
    d.field("skills", &RunAgent::skills, "What it is good at.").max_length(100);
    d.field("lead", &RunAgent::lead, "Whether it leads the others.");
  }
};

struct PhaseInfo {
  std::string name;
  std::string kind;
  PhaseState state = PhaseState::unknown;
  std::uint32_t round = 0;
  std::string note;
  std::optional<std::int64_t> started_us;
  std::optional<std::int64_t> ended_us;
  bool operator==(const PhaseInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PhaseInfo", "A phase of a run.");
    d.field("name", &PhaseInfo::name, "Its name.").required();
    d.field("kind", &PhaseInfo::kind, "What happens in it.").required();
    d.field("state", &PhaseInfo::state, "Where it is.").required();
    d.field("round", &PhaseInfo::round, "How often it was begun.");
    d.field("note", &PhaseInfo::note, "How it went, in a line.");
    d.field("started_us", &PhaseInfo::started_us, "When it began last, UTC.");
    d.field("ended_us", &PhaseInfo::ended_us, "When it ended, UTC.");
  }
};

struct StepInfo {
  std::uint64_t number = 0;
  std::string key;
  std::string kind;
  std::optional<std::string> task;
  PhaseState state = PhaseState::unknown;
  Value input;
  Value outcome;
  std::uint32_t tries = 0;
  std::string error;
  std::int64_t recorded_us = 0;
  std::optional<std::int64_t> ended_us;
  bool operator==(const StepInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("StepInfo", "Something that a run did outside: recorded before, and when it was over.");
    d.field("number", &StepInfo::number, "Its number in the run.").required();
    d.field("key", &StepInfo::key, "Its name; carried out once, however often it is tried.").required();
    d.field("kind", &StepInfo::kind, "What: `start`, `prompt`, `inspect`, `merge`, `test`, `deliver`, `stop`.")
        .required();
    d.field("task", &StepInfo::task, "The task that it is for.");
    d.field("state", &StepInfo::state, "Where it is.").required();
    d.field("input", &StepInfo::input, "What it was told.");
    d.field("outcome", &StepInfo::outcome, "What came of it.");
    d.field("tries", &StepInfo::tries, "How often it was begun.");
    d.field("error", &StepInfo::error, "Why it failed last.");
    d.field("recorded_us", &StepInfo::recorded_us, "When it was decided, UTC.").required();
    d.field("ended_us", &StepInfo::ended_us, "When it was over, UTC.");
  }
};

struct RunInfo {
  std::string id;
  std::string swarm;
  std::string workflow;
  std::string feature;
  std::string test_command;
  RunState state = RunState::unknown;
  std::string phase;
  std::string reason;
  std::vector<PhaseInfo> phases;
  std::vector<RunAgent> agents;
  std::map<std::string, std::uint32_t> tasks;
  std::uint32_t questions = 0;
  std::string head;
  std::string delivered;
  std::int64_t created_us = 0;
  std::optional<std::int64_t> deadline_us;
  std::optional<std::int64_t> ended_us;
  bool operator==(const RunInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunInfo", "A run.");
    d.field("id", &RunInfo::id, "Its id.").required();
    d.field("swarm", &RunInfo::swarm, "The swarm's id.").required();
    d.field("workflow", &RunInfo::workflow, "The workflow's name.").required();
    d.field("feature", &RunInfo::feature, "What shall be made.");
    d.field("test_command", &RunInfo::test_command, "What is run on every merged tree.");
    d.field("state", &RunInfo::state, "Where it is.").required();
    d.field("phase", &RunInfo::phase, "The earliest phase that is not over.");
    d.field("reason", &RunInfo::reason, "Why it is in this state.");
    d.field("phases", &RunInfo::phases, "All phases, in order.");
    d.field("agents", &RunInfo::agents, "Who takes part.");
    d.field("tasks", &RunInfo::tasks, "How many tasks are in each state.");
    d.field("questions", &RunInfo::questions, "How many questions wait for a person.");
    d.field("head", &RunInfo::head, "The newest commit of the integration branch; empty: nothing is merged.");
    d.field("delivered", &RunInfo::delivered, "Where the result is.");
    d.field("created_us", &RunInfo::created_us, "When it was begun, UTC.").required();
    d.field("deadline_us", &RunInfo::deadline_us, "When it is ended at the latest, UTC.");
    d.field("ended_us", &RunInfo::ended_us, "When it was over, UTC.");
  }
};

struct RunStartRequest {
  std::string workflow = "autonomous-dev";
  std::string definition;
  std::string feature;
  std::string test_command;
  std::vector<RunAgent> agents;
  std::optional<MergeOrder> order;
  std::map<std::string, std::string> variables;
  std::optional<std::uint32_t> reviewers;
  std::optional<std::uint32_t> rounds;
  bool operator==(const RunStartRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunStartRequest", "What to run.");
    d.field("workflow", &RunStartRequest::workflow, "The name of a workflow.").non_empty().max_length(100);
    d.field("definition", &RunStartRequest::definition, "A workflow as TOML, instead of a name.").max_length(262144);
    d.field("feature", &RunStartRequest::feature, "What shall be made.").max_length(65536);
    d.field("test_command", &RunStartRequest::test_command,
            "What is run on every merged tree, by a shell; empty: as the workflow says.")
        .max_length(8192);
    d.field("agents", &RunStartRequest::agents, "Who takes part.").required().non_empty().max_length(200);
    d.field("order", &RunStartRequest::order, "In which order changes are merged; absent: as the workflow says.");
    d.field("variables", &RunStartRequest::variables, "Values for the variables of the workflow's prompts.")
        .max_length(100);
    d.field("reviewers", &RunStartRequest::reviewers,
            "How many others have to approve a change; 0: nobody looks at it. Absent: as the workflow says.")
        .max(20);
    d.field("rounds", &RunStartRequest::rounds,
            "Rounds of review before it is a dispute; absent: as the workflow says.")
        .min(1)
        .max(50);
  }
};

struct RunRef {
  std::string run;
  bool operator==(const RunRef&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunRef", "Which run.");
    d.field("run", &RunRef::run, "The run: its id or a unique prefix of it.").required().non_empty().max_length(40);
  }
};

struct RunListRequest {
  bool all = false;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const RunListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunListRequest", "Which runs.");
    d.field("all", &RunListRequest::all, "Also those that are over.");
    d.field("limit", &RunListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &RunListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct RunListReply {
  std::vector<RunInfo> runs;
  std::optional<std::string> next_cursor;
  bool operator==(const RunListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunListReply", "Runs, newest first.");
    d.field("runs", &RunListReply::runs, "The runs.").required();
    d.field("next_cursor", &RunListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct RunStepsRequest {
  std::string run;
  std::uint64_t after = 0;
  std::uint32_t limit = 100;
  bool operator==(const RunStepsRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunStepsRequest", "Which steps.");
    d.field("run", &RunStepsRequest::run, "The run: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("after", &RunStepsRequest::after, "Those behind this number.");
    d.field("limit", &RunStepsRequest::limit, "Most entries of one answer.").min(1).max(1000);
  }
};

struct RunStepsReply {
  std::vector<StepInfo> steps;
  bool operator==(const RunStepsReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunStepsReply", "What a run did outside, in order.");
    d.field("steps", &RunStepsReply::steps, "The steps; none: there are no more.").required();
  }
};

struct RunReasonRequest {
  std::string run;
  std::string reason;
  bool operator==(const RunReasonRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunReasonRequest", "Which run, and why.");
    d.field("run", &RunReasonRequest::run, "The run: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("reason", &RunReasonRequest::reason, "Why.").max_length(8192);
  }
};

struct RunChangeRequest {
  std::string run;
  std::string feature;
  bool operator==(const RunChangeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunChangeRequest", "What shall be made instead.");
    d.field("run", &RunChangeRequest::run, "The run: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("feature", &RunChangeRequest::feature, "The new text; agents are told.")
        .required()
        .non_empty()
        .max_length(65536);
  }
};

struct WorkflowPhase {
  std::string name;
  std::string kind;
  std::string role;
  std::string about;
  bool operator==(const WorkflowPhase&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("WorkflowPhase", "A phase of a workflow.");
    d.field("name", &WorkflowPhase::name, "Its name.").required();
    d.field("kind", &WorkflowPhase::kind, "What happens in it.").required();
    d.field("role", &WorkflowPhase::role, "Who does it; empty: anybody.");
    d.field("about", &WorkflowPhase::about, "Its gates and limits, in a line.");
  }
};

struct WorkflowInfo {
  std::string name;
  std::string title;
  std::string source;
  std::vector<std::string> roles;
  std::vector<std::string> variables;
  std::vector<WorkflowPhase> phases;
  std::string definition;
  bool operator==(const WorkflowInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("WorkflowInfo", "A workflow.");
    d.field("name", &WorkflowInfo::name, "Its name.").required();
    d.field("title", &WorkflowInfo::title, "What it is for.").required();
    d.field("source", &WorkflowInfo::source, "`built-in`, or the file.").required();
    d.field("roles", &WorkflowInfo::roles, "The roles that it speaks of.");
    d.field("variables", &WorkflowInfo::variables, "What its prompts ask for, beside what every run has.");
    d.field("phases", &WorkflowInfo::phases, "Its phases, in order.").required();
    d.field("definition", &WorkflowInfo::definition, "The TOML; with `workflow.show`.");
  }
};

struct WorkflowListReply {
  std::vector<WorkflowInfo> workflows;
  bool operator==(const WorkflowListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("WorkflowListReply", "Workflows, by name.");
    d.field("workflows", &WorkflowListReply::workflows, "The workflows.").required();
  }
};

struct WorkflowRef {
  std::string name;
  bool operator==(const WorkflowRef&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("WorkflowRef", "Which workflow.");
    d.field("name", &WorkflowRef::name, "Its name.").required().non_empty().max_length(100);
  }
};

struct WorkflowCheckRequest {
  std::string definition;
  bool operator==(const WorkflowCheckRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("WorkflowCheckRequest", "A workflow to look at.");
    d.field("definition", &WorkflowCheckRequest::definition, "The TOML.").required().non_empty().max_length(262144);
  }
};

struct WorkflowCheckReply {
  std::vector<std::string> problems;
  std::optional<WorkflowInfo> workflow;
  bool operator==(const WorkflowCheckReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("WorkflowCheckReply", "What is wrong with a workflow.");
    d.field("problems", &WorkflowCheckReply::problems, "Each with its line; none: it can be run.").required();
    d.field("workflow", &WorkflowCheckReply::workflow, "How it was understood; absent where it has problems.");
  }
};

struct RunChanged {
  std::string run;
  RunState state = RunState::unknown;
  std::string phase;
  std::string reason;
  std::string head;
  bool operator==(const RunChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunChanged", "A run went on.");
    d.field("run", &RunChanged::run, "The run.").required();
    d.field("state", &RunChanged::state, "Where it is now.").required();
    d.field("phase", &RunChanged::phase, "The earliest phase that is not over.");
    d.field("reason", &RunChanged::reason, "Why, in a line.");
    d.field("head", &RunChanged::head, "The newest commit of the integration branch.");
  }
};

struct RunStepEnded {
  std::string key;
  std::string kind;
  bool good = false;
  std::string note;
  bool operator==(const RunStepEnded&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RunStepEnded", "A run has done something outside.");
    d.field("key", &RunStepEnded::key, "The step's name.").required();
    d.field("kind", &RunStepEnded::kind, "What.").required();
    d.field("good", &RunStepEnded::good, "Whether it was carried out.").required();
    d.field("note", &RunStepEnded::note, "What came of it, in a line.");
  }
};

inline constexpr Method<InSwarm<RunStartRequest>, RunInfo> kRunStart{{
    .name = "run.start",
    .doc = "Begins a run of a workflow with a swarm's agents.",
    .caller = Caller::host,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm or workflow"},
               {Code::failed_precondition, "a run of this swarm is under way, or roles have nobody"}},
}};
inline constexpr Method<InSwarm<RunListRequest>, RunListReply> kRunList{{
    .name = "run.list",
    .doc = "Lists runs.",
}};
inline constexpr Method<InSwarm<RunRef>, RunInfo> kRunShow{{
    .name = "run.show",
    .doc = "Shows a run.",
    .errors = {{Code::not_found, "no such run"}},
}};
inline constexpr Method<InSwarm<RunStepsRequest>, RunStepsReply> kRunSteps{{
    .name = "run.steps",
    .doc = "Lists what a run did outside, with inputs and outcomes.",
    .errors = {{Code::not_found, "no such run"}},
}};
inline constexpr Method<InSwarm<RunReasonRequest>, RunInfo> kRunPause{{
    .name = "run.pause",
    .doc = "Halts a run: nothing new begins, and its deadlines and leases stand still.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such run"}, {Code::failed_precondition, "it is over"}},
}};
inline constexpr Method<InSwarm<RunRef>, RunInfo> kRunResume{{
    .name = "run.resume",
    .doc = "Lets a halted run go on.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such run"}, {Code::failed_precondition, "it is not halted"}},
}};
inline constexpr Method<InSwarm<RunReasonRequest>, RunInfo> kRunCancel{{
    .name = "run.cancel",
    .doc = "Ends a run. What was merged stays on its branch.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such run"}, {Code::failed_precondition, "it is over"}},
}};
inline constexpr Method<InSwarm<RunRef>, RunInfo> kRunRetry{{
    .name = "run.retry",
    .doc = "Lets a failed run go on: failed steps are tried again, failed tasks get new attempts.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such run"}, {Code::failed_precondition, "it has not failed"}},
}};
inline constexpr Method<InSwarm<RunChangeRequest>, RunInfo> kRunChange{{
    .name = "run.change",
    .doc = "Changes what shall be made while the run is under way.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such run"}, {Code::failed_precondition, "it is over"}},
}};
inline constexpr Method<Empty, WorkflowListReply> kWorkflowList{{
    .name = "workflow.list",
    .doc = "Lists the workflows that can be run.",
}};
inline constexpr Method<WorkflowRef, WorkflowInfo> kWorkflowShow{{
    .name = "workflow.show",
    .doc = "Shows a workflow and its text, to copy and change.",
    .errors = {{Code::not_found, "no such workflow"}},
}};
inline constexpr Method<WorkflowCheckRequest, WorkflowCheckReply> kWorkflowCheck{{
    .name = "workflow.check",
    .doc = "Says what is wrong with a workflow.",
}};

inline constexpr EventType<RunChanged> kRunChanged{{.name = "run.changed", .doc = "A run began, went on or ended."}};
inline constexpr EventType<RunStepEnded> kRunStepEnded{
    {.name = "run.step", .doc = "A run started an agent, merged, tested or delivered."}};

std::span<const MethodInfo* const> run_methods();
std::span<const EventInfo* const> run_events();

}  // namespace swarm::api
