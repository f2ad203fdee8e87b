#pragma once
// The records of the engine: what travels (protocol/api), and beside it what only the engine needs. Loading and saving
// work on whole records.

#include "daemon/workflow/definition.hpp"
#include "daemon/workflow/turn.hpp"
#include "protocol/api/human.hpp"
#include "protocol/api/run.hpp"
#include "protocol/api/task.hpp"

namespace swarm::workflow {

struct Run : api::RunInfo {
  std::string definition;  ///< the TOML that it was begun with
  std::map<std::string, std::string> variables;
  std::optional<api::MergeOrder> order;
  std::optional<std::uint32_t> reviewers;  ///< instead of what the workflow says; 0: no review
  std::optional<std::uint32_t> rounds;     ///< of review, instead of what the workflow says
  std::vector<std::string> gone;           ///< agents that have left
  std::uint64_t next_number = 1;           ///< of its next task, review, proposal, question or step
  std::int64_t paused_at_us = 0;           ///< as a moment; 0: it is not halted
  std::uint32_t mended = 0;                ///< how often a red end result was sent back
  std::string base;                        ///< the head when it began
  std::string last_test;                   ///< how the last test of the whole ended
  bool operator==(const Run&) const = default;

  template <class D>
  static void describe(D& d) {
    api::RunInfo::describe(d);
    d.field("definition", &Run::definition, "Workflow.");
    d.field("variables", &Run::variables, "Values of its variables.");
    d.field("order", &Run::order, "Order of merges.");
    d.field("reviewers", &Run::reviewers, "Reviewers of each change.");
    d.field("rounds", &Run::rounds, "Rounds of review.");
    d.field("gone", &Run::gone, "Agents that left.");
    d.field("next_number", &Run::next_number, "Next number.");
    d.field("paused_at_us", &Run::paused_at_us, "Since when it is halted.");
    d.field("mended", &Run::mended, "Rounds of mending.");
    d.field("base", &Run::base, "Head at the start.");
    d.field("last_test", &Run::last_test, "Last test of the whole.");
  }
};

struct Task : api::TaskInfo {
  std::uint64_t number = 0;
  std::vector<api::TaskAttempt> attempts;
  std::chrono::milliseconds estimate_ms{0};
  std::string patch;  ///< of the commit handed in
  std::string base;   ///< its merge base
  std::string summary;
  std::vector<api::Path> touched;  ///< by the commit handed in
  std::string approved;            ///< the patch that was approved last: approvals hold while it stays
  std::vector<std::string> approved_by;
  std::string reserved;            ///< the agent that it goes back to
  std::vector<std::string> avoid;  ///< agents that have failed at it
  std::uint32_t max_attempts = 0;
  std::uint32_t rounds = 0;   ///< of review
  std::string stage;          ///< what of the checking is done: "inspect", "before", "after"
  std::uint32_t offered = 0;  ///< the attempt for which an idle agent was told of it
  bool operator==(const Task&) const = default;

  template <class D>
  static void describe(D& d) {
    api::TaskInfo::describe(d);
    d.field("number", &Task::number, "Place in its run.");
    d.field("attempts", &Task::attempts, "Attempts.");
    d.field("estimate_ms", &Task::estimate_ms, "Estimate.");
    d.field("patch", &Task::patch, "Patch id.");
    d.field("base", &Task::base, "Merge base.");
    d.field("summary", &Task::summary, "What the author says.");
    d.field("touched", &Task::touched, "Files touched.");
    d.field("approved", &Task::approved, "Approved patch.");
    d.field("approved_by", &Task::approved_by, "Who approved it.");
    d.field("reserved", &Task::reserved, "Agent it goes back to.");
    d.field("avoid", &Task::avoid, "Agents that failed at it.");
    d.field("max_attempts", &Task::max_attempts, "Most attempts.");
    d.field("rounds", &Task::rounds, "Rounds of review.");
    d.field("stage", &Task::stage, "Stage of checking.");
    d.field("offered", &Task::offered, "Attempt that was offered.");
  }
};

struct Review : api::ReviewInfo {
  std::uint64_t number = 0;
  std::string patch;
  bool operator==(const Review&) const = default;

  template <class D>
  static void describe(D& d) {
    api::ReviewInfo::describe(d);
    d.field("number", &Review::number, "Place in its run.");
    d.field("patch", &Review::patch, "Patch id.");
  }
};

struct Proposal : api::ProposalInfo {
  std::uint64_t number = 0;
  std::string lead;
  std::string fallback;  ///< the option that holds where none is decided; empty: none
  bool operator==(const Proposal&) const = default;

  template <class D>
  static void describe(D& d) {
    api::ProposalInfo::describe(d);
    d.field("number", &Proposal::number, "Place in its run.");
    d.field("lead", &Proposal::lead, "The lead.");
    d.field("fallback", &Proposal::fallback, "What holds otherwise.");
  }
};

struct Question : api::QuestionInfo {
  std::uint64_t number = 0;
  std::string phase;   ///< of a gate
  std::string review;  ///< of a gate for a change that nobody reviewed
  bool operator==(const Question&) const = default;

  template <class D>
  static void describe(D& d) {
    api::QuestionInfo::describe(d);
    d.field("number", &Question::number, "Place in its run.");
    d.field("phase", &Question::phase, "Phase of the gate.");
    d.field("review", &Question::review, "Review it stands for.");
  }
};

struct Step : api::StepInfo {
  std::string run;
  bool operator==(const Step&) const = default;

  template <class D>
  static void describe(D& d) {
    api::StepInfo::describe(d);
    d.field("run", &Step::run, "Run.");
  }
};

/// A run with its definition, as a turn works with it.
struct Case {
  Run run;
  Definition definition;
  bool changed = false;

  [[nodiscard]] Where where(std::string task = {}, std::string agent = {}) const {
    return {.swarm = run.swarm, .run = run.id, .task = std::move(task), .agent = std::move(agent)};
  }
  [[nodiscard]] bool over() const {
    return run.state == api::RunState::done || run.state == api::RunState::failed ||
           run.state == api::RunState::cancelled;
  }
  std::uint64_t number() {
    changed = true;
    return run.next_number++;
  }
  /// Agents that are there.
  [[nodiscard]] std::vector<api::RunAgent> present() const;
  [[nodiscard]] const api::RunAgent* agent(std::string_view name) const;
  [[nodiscard]] bool here(std::string_view name) const;
  [[nodiscard]] std::string lead() const;
  api::PhaseInfo* phase(std::string_view name);
};

/// `not_found` names what there is not. `prefix`: an id or a unique prefix of one; only within `swarm` where that is
/// given.
Result<Case> find_run(Turn& turn, std::string_view swarm, std::string_view prefix);
/// The newest run of a swarm, or the one named.
Result<Case> current_run(Turn& turn, std::string_view swarm, const std::optional<std::string>& prefix);
std::optional<Case> load_run(Turn& turn, const std::string& id);
/// Without its definition.
std::optional<Run> load_record(Turn& turn, const std::string& id);
std::vector<std::string> active_runs(Turn& turn);
std::vector<Run> list_runs(Turn& turn, const std::string& swarm, bool all, std::uint32_t limit, std::int64_t below);

std::optional<Task> load_task(Turn& turn, const std::string& id);
std::vector<Task> tasks_of(Turn& turn, const std::string& run);
Result<Task> find_task(Turn& turn, std::string_view swarm, std::string_view prefix);

std::optional<Review> load_review(Turn& turn, const std::string& id);
std::vector<Review> reviews_of(Turn& turn, const std::string& run);
std::vector<Review> reviews_of_task(Turn& turn, const std::string& task);
Result<Review> find_review(Turn& turn, std::string_view swarm, std::string_view prefix);

/// With its votes.
std::optional<Proposal> load_proposal(Turn& turn, const std::string& id);
std::vector<Proposal> proposals_of(Turn& turn, const std::string& run);
Result<Proposal> find_proposal(Turn& turn, std::string_view swarm, std::string_view prefix);
void save_vote(Turn& turn, const std::string& proposal, const api::VoteInfo& vote);
/// Every change of a vote, in order.
std::vector<api::VoteInfo> vote_log(Turn& turn, const std::string& proposal);

std::optional<Question> load_question(Turn& turn, const std::string& id);
std::vector<Question> questions_of(Turn& turn, const std::string& run);
Result<Question> find_question(Turn& turn, std::string_view swarm, std::string_view prefix);

std::optional<Step> load_step(Turn& turn, const std::string& run, const std::string& key);
std::vector<Step> open_steps(Turn& turn, const std::string& run);
std::vector<Step> steps_of(Turn& turn, const std::string& run, std::uint64_t after, std::uint32_t limit);

void save(Turn& turn, const Run& run);
void save(Turn& turn, const Task& task);
void save(Turn& turn, const Review& review);
void save(Turn& turn, const Proposal& proposal);
void save(Turn& turn, const Question& question);
void save(Turn& turn, const Step& step);
/// The run, if it was changed.
void save(Turn& turn, Case& c);

/// What travels, with deadlines as UTC.
api::RunInfo shown(Turn& turn, const Case& c);
api::TaskInfo shown(Turn& turn, const Task& task);
api::ProposalInfo shown(Turn& turn, const Proposal& proposal);
api::QuestionInfo shown(Turn& turn, const Question& question);

}  // namespace swarm::workflow
