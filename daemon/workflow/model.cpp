#include "daemon/workflow/model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/api/codec.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::api {
template const TypeInfo& type_of<workflow::Run>();
template const TypeInfo& type_of<workflow::Task>();
template const TypeInfo& type_of<workflow::Review>();
template const TypeInfo& type_of<workflow::Proposal>();
template const TypeInfo& type_of<workflow::Question>();
template const TypeInfo& type_of<workflow::Step>();
}  // namespace swarm::api

namespace swarm::workflow {
namespace {

using store::Sql;

template <class T>
Bytes packed(const T& record) {
  return Bytes{wire::encode(api::encode(record))};
}

// What we wrote ourselves: far above what a record can have.
wire::Limits own_limits() {
  wire::Limits limits;
  limits.max_frame_bytes = std::size_t{1} << 30U;
  limits.max_string_bytes = std::size_t{1} << 30U;
  return limits;
}

template <class T>
std::optional<T> unpacked(Turn& turn, const Bytes& bytes) {
  Result<Value> value = wire::decode(std::as_bytes(std::span(bytes.data)), own_limits());
  if (!value) {
    turn.broken(value.error().with_context("a record of the workflow engine"));
    return {};
  }
  Result<T> record = api::decode_reply<T>(std::move(*value));
  if (!record) {
    turn.broken(record.error().with_context("a record of the workflow engine"));
    return {};
  }
  return std::move(*record);
}

template <class T, class... A>
std::optional<T> one(Turn& turn, Sql sql, const A&... values) {
  const auto row = turn.one<Bytes>(sql, values...);
  if (!row) return {};
  return unpacked<T>(turn, std::get<0>(*row));
}

template <class T, class... A>
std::vector<T> many(Turn& turn, Sql sql, const A&... values) {
  std::vector<T> out;
  for (const auto& [bytes] : turn.all<Bytes>(sql, values...)) {
    if (auto record = unpacked<T>(turn, bytes)) out.push_back(std::move(*record));
  }
  return out;
}

constexpr Sql kRun{"workflow.run", "SELECT data FROM wf_runs WHERE id = ?"};
constexpr Sql kRunsLike{"workflow.runs_like",
                        "SELECT id FROM wf_runs WHERE id >= ? AND id < ? AND (? = '' OR swarm = ?) LIMIT 2"};
constexpr Sql kNewestRun{"workflow.newest_run", "SELECT id FROM wf_runs WHERE swarm = ? ORDER BY number DESC LIMIT 1"};
constexpr Sql kActiveRuns{"workflow.active_runs", "SELECT id FROM wf_runs WHERE active > 0 ORDER BY number"};
constexpr Sql kRuns{"workflow.runs",
                    "SELECT data FROM wf_runs WHERE (? = '' OR swarm = ?) AND (? OR active > 0) AND number < ?"
                    " ORDER BY number DESC LIMIT ?"};
constexpr Sql kSaveRun{"workflow.save_run",
                       "INSERT INTO wf_runs (id, number, swarm, active, data)"
                       " VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM wf_runs), ?, ?, ?)"
                       " ON CONFLICT (id) DO UPDATE SET active = excluded.active, data = excluded.data"};

constexpr Sql kTask{"workflow.task", "SELECT data FROM wf_tasks WHERE id = ?"};
constexpr Sql kTasks{"workflow.tasks", "SELECT data FROM wf_tasks WHERE run = ? ORDER BY number"};
constexpr Sql kTasksLike{"workflow.tasks_like",
                         "SELECT t.id FROM wf_tasks t JOIN wf_runs r ON r.id = t.run"
                         " WHERE t.id >= ? AND t.id < ? AND (? = '' OR r.swarm = ?) LIMIT 2"};
constexpr Sql kSaveTask{"workflow.save_task",
                        "INSERT INTO wf_tasks (id, run, number, state, agent, data) VALUES (?, ?, ?, ?, ?, ?)"
                        " ON CONFLICT (id) DO UPDATE SET state = excluded.state, agent = excluded.agent,"
                        " data = excluded.data"};

constexpr Sql kReview{"workflow.review", "SELECT data FROM wf_reviews WHERE id = ?"};
constexpr Sql kReviews{"workflow.reviews", "SELECT data FROM wf_reviews WHERE run = ? ORDER BY number"};
constexpr Sql kReviewsOfTask{"workflow.reviews_of_task", "SELECT data FROM wf_reviews WHERE task = ? ORDER BY number"};
constexpr Sql kReviewsLike{"workflow.reviews_like",
                           "SELECT t.id FROM wf_reviews t JOIN wf_runs r ON r.id = t.run"
                           " WHERE t.id >= ? AND t.id < ? AND (? = '' OR r.swarm = ?) LIMIT 2"};
constexpr Sql kSaveReview{"workflow.save_review",
                          "INSERT INTO wf_reviews (id, run, task, number, state, data) VALUES (?, ?, ?, ?, ?, ?)"
                          " ON CONFLICT (id) DO UPDATE SET state = excluded.state, data = excluded.data"};

constexpr Sql kProposal{"workflow.proposal", "SELECT data FROM wf_proposals WHERE id = ?"};
constexpr Sql kProposals{"workflow.proposals", "SELECT id FROM wf_proposals WHERE run = ? ORDER BY number"};
constexpr Sql kProposalsLike{"workflow.proposals_like",
                             "SELECT t.id FROM wf_proposals t JOIN wf_runs r ON r.id = t.run"
                             " WHERE t.id >= ? AND t.id < ? AND (? = '' OR r.swarm = ?) LIMIT 2"};
constexpr Sql kSaveProposal{"workflow.save_proposal",
                            "INSERT INTO wf_proposals (id, run, number, state, data) VALUES (?, ?, ?, ?, ?)"
                            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, data = excluded.data"};
constexpr Sql kVotes{"workflow.votes", "SELECT data FROM wf_votes WHERE proposal = ? ORDER BY voter"};
constexpr Sql kSaveVote{"workflow.save_vote",
                        "INSERT INTO wf_votes (proposal, voter, data) VALUES (?, ?, ?)"
                        " ON CONFLICT (proposal, voter) DO UPDATE SET data = excluded.data"};
constexpr Sql kLogVote{"workflow.log_vote", "INSERT INTO wf_vote_log (proposal, voter, data) VALUES (?, ?, ?)"};
constexpr Sql kVoteLog{"workflow.vote_log", "SELECT data FROM wf_vote_log WHERE proposal = ? ORDER BY number"};

constexpr Sql kQuestion{"workflow.question", "SELECT data FROM wf_questions WHERE id = ?"};
constexpr Sql kQuestions{"workflow.questions", "SELECT data FROM wf_questions WHERE run = ? ORDER BY number"};
constexpr Sql kQuestionsLike{"workflow.questions_like",
                             "SELECT t.id FROM wf_questions t JOIN wf_runs r ON r.id = t.run"
                             " WHERE t.id >= ? AND t.id < ? AND (? = '' OR r.swarm = ?) LIMIT 2"};
constexpr Sql kSaveQuestion{"workflow.save_question",
                            "INSERT INTO wf_questions (id, run, number, state, data) VALUES (?, ?, ?, ?, ?)"
                            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, data = excluded.data"};

constexpr Sql kStep{"workflow.step", "SELECT data FROM wf_steps WHERE run = ? AND key = ?"};
constexpr Sql kOpenSteps{"workflow.open_steps",
                         "SELECT data FROM wf_steps WHERE run = ? AND state = 1 ORDER BY number"};
constexpr Sql kSteps{"workflow.steps",
                     "SELECT data FROM wf_steps WHERE run = ? AND number > ? ORDER BY number LIMIT ?"};
constexpr Sql kSaveStep{"workflow.save_step",
                        "INSERT INTO wf_steps (run, number, key, state, data) VALUES (?, ?, ?, ?, ?)"
                        " ON CONFLICT (run, number) DO UPDATE SET state = excluded.state, data = excluded.data"};

/// The one id that begins so.
Result<std::string> by_prefix(Turn& turn, Sql sql, std::string_view what, std::string_view swarm,
                              std::string_view prefix) {
  // '{' is behind every character of an id.
  const auto rows = turn.all<std::string>(sql, prefix, std::string(prefix) + "{", swarm, swarm);
  if (rows.empty()) return fail(Code::not_found, fmt::format("no {} '{}'", what, swarm::shown(prefix)));
  if (rows.size() > 1 && std::get<0>(rows.front()) != prefix) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' begins the ids of several; give more of it", swarm::shown(prefix)));
  }
  return std::get<0>(rows.front());
}

template <class T>
Result<T> found(Turn& turn, std::optional<T> record) {
  if (record) return std::move(*record);
  return fail(turn.trouble().value_or(
      Error{.code = Code::internal, .message = "a record of the workflow engine has gone", .retryable = false}));
}

}  // namespace

std::shared_ptr<const Definition> Definitions::of(const std::string& toml) {
  // A few texts are used again and again; one that somebody sends anew each time must not fill the memory.
  constexpr std::size_t kMost = 32;
  const std::scoped_lock lock(mutex_);
  if (const auto known = known_.find(toml); known != known_.end()) return known->second;
  if (known_.size() >= kMost) known_.clear();
  std::vector<std::string> problems;  // it was checked when the run began
  return known_[toml] = std::make_shared<const Definition>(parse_definition(toml, problems));
}

std::optional<Run> load_record(Turn& turn, const std::string& id) { return one<Run>(turn, kRun, id); }

std::vector<api::RunAgent> Case::present() const {
  std::vector<api::RunAgent> out;
  for (const api::RunAgent& each : run.agents) {
    if (here(each.name)) out.push_back(each);
  }
  return out;
}

const api::RunAgent* Case::agent(std::string_view name) const {
  const auto at = std::ranges::find(run.agents, name, &api::RunAgent::name);
  return at == run.agents.end() ? nullptr : &*at;
}

bool Case::here(std::string_view name) const {
  return agent(name) != nullptr && std::ranges::find(run.gone, name) == run.gone.end();
}

std::string Case::lead() const {
  for (const api::RunAgent& each : run.agents) {
    if (each.lead) return each.name;
  }
  return {};
}

api::PhaseInfo* Case::phase(std::string_view name) {
  const auto at = std::ranges::find(run.phases, name, &api::PhaseInfo::name);
  return at == run.phases.end() ? nullptr : &*at;
}

std::optional<Case> load_run(Turn& turn, const std::string& id) {
  auto run = one<Run>(turn, kRun, id);
  if (!run) return {};
  Definition definition = *turn.definitions().of(run->definition);
  set_review(definition, run->reviewers, run->rounds);
  return Case{.run = std::move(*run), .definition = std::move(definition)};
}

Result<Case> find_run(Turn& turn, std::string_view swarm, std::string_view prefix) {
  const Result<std::string> id = by_prefix(turn, kRunsLike, "run", swarm, prefix);
  if (!id) return fail(id.error());
  return found(turn, load_run(turn, *id));
}

Result<Case> current_run(Turn& turn, std::string_view swarm, const std::optional<std::string>& prefix) {
  if (prefix) return find_run(turn, swarm, *prefix);
  const auto row = turn.one<std::string>(kNewestRun, swarm);
  if (!row) return fail(Code::not_found, fmt::format("the swarm '{}' has no run", swarm::shown(swarm)));
  return found(turn, load_run(turn, std::get<0>(*row)));
}

std::vector<std::string> active_runs(Turn& turn) {
  std::vector<std::string> out;
  for (auto& [id] : turn.all<std::string>(kActiveRuns)) out.push_back(std::move(id));
  return out;
}

std::vector<Run> list_runs(Turn& turn, const std::string& swarm, bool all, std::uint32_t limit, std::int64_t below) {
  return many<Run>(turn, kRuns, swarm, swarm, all, below, limit);
}

std::optional<Task> load_task(Turn& turn, const std::string& id) { return one<Task>(turn, kTask, id); }
std::vector<Task> tasks_of(Turn& turn, const std::string& run) { return many<Task>(turn, kTasks, run); }
Result<Task> find_task(Turn& turn, std::string_view swarm, std::string_view prefix) {
  const Result<std::string> id = by_prefix(turn, kTasksLike, "task", swarm, prefix);
  if (!id) return fail(id.error());
  return found(turn, load_task(turn, *id));
}

std::optional<Review> load_review(Turn& turn, const std::string& id) { return one<Review>(turn, kReview, id); }
std::vector<Review> reviews_of(Turn& turn, const std::string& run) { return many<Review>(turn, kReviews, run); }
std::vector<Review> reviews_of_task(Turn& turn, const std::string& task) {
  return many<Review>(turn, kReviewsOfTask, task);
}
Result<Review> find_review(Turn& turn, std::string_view swarm, std::string_view prefix) {
  const Result<std::string> id = by_prefix(turn, kReviewsLike, "review", swarm, prefix);
  if (!id) return fail(id.error());
  return found(turn, load_review(turn, *id));
}

std::optional<Proposal> load_proposal(Turn& turn, const std::string& id) {
  auto proposal = one<Proposal>(turn, kProposal, id);
  if (proposal) proposal->votes = many<api::VoteInfo>(turn, kVotes, id);
  return proposal;
}
std::vector<Proposal> proposals_of(Turn& turn, const std::string& run) {
  std::vector<Proposal> out;
  for (const auto& [id] : turn.all<std::string>(kProposals, run)) {
    if (auto proposal = load_proposal(turn, id)) out.push_back(std::move(*proposal));
  }
  return out;
}
Result<Proposal> find_proposal(Turn& turn, std::string_view swarm, std::string_view prefix) {
  const Result<std::string> id = by_prefix(turn, kProposalsLike, "proposal", swarm, prefix);
  if (!id) return fail(id.error());
  return found(turn, load_proposal(turn, *id));
}
void save_vote(Turn& turn, const std::string& proposal, const api::VoteInfo& vote) {
  const Bytes data = packed(vote);
  turn.run(kSaveVote, proposal, vote.voter, data);
  turn.run(kLogVote, proposal, vote.voter, data);
}
std::vector<api::VoteInfo> vote_log(Turn& turn, const std::string& proposal) {
  return many<api::VoteInfo>(turn, kVoteLog, proposal);
}

std::optional<Question> load_question(Turn& turn, const std::string& id) { return one<Question>(turn, kQuestion, id); }
std::vector<Question> questions_of(Turn& turn, const std::string& run) { return many<Question>(turn, kQuestions, run); }
Result<Question> find_question(Turn& turn, std::string_view swarm, std::string_view prefix) {
  const Result<std::string> id = by_prefix(turn, kQuestionsLike, "question", swarm, prefix);
  if (!id) return fail(id.error());
  return found(turn, load_question(turn, *id));
}

std::optional<Step> load_step(Turn& turn, const std::string& run, const std::string& key) {
  return one<Step>(turn, kStep, run, key);
}
std::vector<Step> open_steps(Turn& turn, const std::string& run) { return many<Step>(turn, kOpenSteps, run); }
std::vector<Step> steps_of(Turn& turn, const std::string& run, std::uint64_t after, std::uint32_t limit) {
  return many<Step>(turn, kSteps, run, after, limit);
}

void save(Turn& turn, const Run& run) {
  const bool over =
      run.state == api::RunState::done || run.state == api::RunState::failed || run.state == api::RunState::cancelled;
  const int active = over ? 0 : run.state == api::RunState::paused ? 2 : 1;
  turn.run(kSaveRun, run.id, run.swarm, active, packed(run));
}
void save(Turn& turn, Case& c) {
  if (c.changed) save(turn, c.run);
  c.changed = false;
}
void save(Turn& turn, const Task& task) {
  turn.run(kSaveTask, task.id, task.run, task.number, static_cast<int>(task.state), task.agent, packed(task));
}
void save(Turn& turn, const Review& review) {
  turn.run(kSaveReview, review.id, review.run, review.task, review.number, static_cast<int>(review.state),
           packed(review));
}
void save(Turn& turn, const Proposal& proposal) {
  Proposal kept = proposal;
  kept.votes.clear();  // rows of their own
  turn.run(kSaveProposal, kept.id, kept.run, kept.number, static_cast<int>(kept.state), packed(kept));
}
void save(Turn& turn, const Question& question) {
  turn.run(kSaveQuestion, question.id, question.run, question.number, static_cast<int>(question.state),
           packed(question));
}
void save(Turn& turn, const Step& step) {
  turn.run(kSaveStep, step.run, step.number, step.key, static_cast<int>(step.state), packed(step));
}

api::RunInfo shown(Turn& turn, const Case& c) {
  static constexpr std::array<std::string_view, 12> kNames = {"waiting",  "ready",     "claimed",    "blocked",
                                                              "checking", "in_review", "in_dispute", "merging",
                                                              "done",     "failed",    "dropped",    "unknown"};
  api::RunInfo out = c.run;
  if (const auto due = turn.due(Due::run, c.run.id)) out.deadline_us = turn.wall_us(*due);
  for (const Task& task : tasks_of(turn, c.run.id))
    ++out.tasks[std::string(kNames.at(static_cast<std::size_t>(task.state)))];
  for (const Question& question : questions_of(turn, c.run.id)) {
    if (question.state == api::QuestionState::open) ++out.questions;
  }
  return out;
}

api::TaskInfo shown(Turn& turn, const Task& task) {
  api::TaskInfo out = task;
  out.attempts_left = task.max_attempts > task.attempt ? task.max_attempts - task.attempt : 0;
  if (const auto due = turn.due(Due::lease, task.id)) out.lease_until_us = turn.wall_us(*due);
  return out;
}

api::ProposalInfo shown(Turn& turn, const Proposal& proposal) {
  api::ProposalInfo out = proposal;
  if (const auto due = turn.due(Due::proposal, proposal.id)) out.deadline_us = turn.wall_us(*due);
  return out;
}

api::QuestionInfo shown(Turn& turn, const Question& question) {
  api::QuestionInfo out = question;
  if (const auto due = turn.due(Due::question, question.id)) out.deadline_us = turn.wall_us(*due);
  return out;
}

}  // namespace swarm::workflow
