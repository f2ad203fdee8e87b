#pragma once
// What happens in a turn, by noun. Each function changes records and intends steps; `settle` at the end of every turn
// draws the conclusions: tasks become ready, the merge queue moves, phases begin and end. All of it is a function of
// the records and the time, so a turn that is repeated after a crash decides the same.

#include "daemon/workflow/model.hpp"
#include "daemon/workflow/ports.hpp"

namespace swarm::workflow {

/// Who calls.
struct Actor {
  enum class Kind : std::uint8_t { agent, person };
  Kind kind = Kind::agent;
  std::string swarm;  ///< the swarm's id; of a person possibly empty: any
  std::string name;   ///< the agent, or which person ("uid 1000")
};

// ---- steps.cpp: what shall be done outside
/// Records that something shall be done; a key that is known already is left alone.
void intend(Turn& turn, Case& c, const std::string& key, std::string_view kind, const std::string& task, Value input);
/// Tells an agent something, once for each `key`.
void intend_prompt(Turn& turn, Case& c, const std::string& key, const std::string& agent, const std::string& about,
                   std::string text);
/// Takes the outcome of a step in, and goes on from it.
void step_done(Turn& turn, Case& c, Step& step, Value outcome);
/// A step that cannot be carried out.
void step_failed(Turn& turn, Case& c, Step& step, const Error& error);

// ---- tasks.cpp
Result<Task> add_task(Turn& turn, Case& c, const std::string& creator, const api::TaskAddRequest& request);
void set_state(Turn& turn, Case& c, Task& task, api::TaskState state, std::string reason);
/// Ends the current attempt and offers the task anew, to its author first; or it is stuck.
void send_back(Turn& turn, Case& c, Task& task, const std::string& outcome, const std::string& reason);
Result<api::TaskNextReply> next_for(Turn& turn, Case& c, const std::string& agent, const std::vector<api::Turn>& kinds);
/// The same without giving anything: what the agent would get.
Result<api::TaskNextReply> waits_for(Turn& turn, const Case& c, const std::string& agent,
                                     const std::vector<api::Turn>& kinds);
Result<void> claim(Turn& turn, Case& c, Task& task, const std::string& agent);
Result<void> progress(Turn& turn, Case& c, Task& task, const std::string& agent, const std::string& text);
Result<void> hand_in(Turn& turn, Case& c, Task& task, const std::string& agent, const api::TaskDoneRequest& request);
Result<void> give_up(Turn& turn, Case& c, Task& task, const std::string& agent, const std::string& reason);
Result<void> block(Turn& turn, Case& c, Task& task, const std::string& agent, const std::string& reason);
Result<void> release(Turn& turn, Case& c, Task& task, const Actor& actor, const std::string& reason);
Result<void> drop(Turn& turn, Case& c, Task& task, const std::string& reason);
/// Drops one without asking whether that is allowed.
void drop_now(Turn& turn, Case& c, Task& task, const std::string& reason);
bool terminal(api::TaskState state);
/// Tasks that go through the stages, not answers.
bool is_work(const Task& task);
/// Ids of all that `task` needs, directly or not.
std::vector<std::string> all_needs(const std::vector<Task>& tasks, const Task& task);

// ---- choosing.cpp: who does what
/// The best of the tasks that are ready for `agent`, or null.
const Task* best_task(const Case& c, const std::vector<Task>& tasks, const std::string& agent);
/// Reviewers for a change, best first; never its author.
std::vector<std::string> choose_reviewers(Turn& turn, const Case& c, const Task& task, std::uint32_t& needed,
                                          const std::vector<std::string>& not_these);
bool may_take(const Case& c, const Task& task, const std::string& agent);

// ---- reviews.cpp
/// Goes on with a task whose change is looked up: review, or straight into the queue.
void begin_review(Turn& turn, Case& c, Task& task);
Result<void> submit_review(Turn& turn, Case& c, Review& review, const Actor& actor,
                           const api::ReviewSubmitRequest& request);
Result<void> answer_finding(Turn& turn, Case& c, Review& review, const std::string& agent,
                            const api::ReviewAnswerRequest& request);
/// A reviewer did not answer in time, or is gone.
void replace_reviewer(Turn& turn, Case& c, Review& review, const std::string& agent, const std::string& why);
void approve_change(Turn& turn, Case& c, Task& task, std::vector<std::string> by);

// ---- proposals.cpp
Result<Proposal> open_proposal(Turn& turn, Case& c, const std::string& opener, const api::ProposalOpenRequest& request);
/// A vote on a change that author and reviewers see differently.
void open_dispute(Turn& turn, Case& c, Task& task, Review& review, const std::string& why);
Result<void> vote(Turn& turn, Case& c, Proposal& proposal, const std::string& agent,
                  const api::ProposalVoteRequest& request);
void close_proposal(Turn& turn, Case& c, Proposal& proposal);
void close_if_all_voted(Turn& turn, Case& c, Proposal& proposal);
/// A person decided a proposal.
void decide_proposal(Turn& turn, Case& c, Proposal& proposal, const std::string& option, const std::string& by);
/// The count, from the recorded votes alone.
api::VoteCount recount(const Proposal& proposal);

// ---- questions.cpp
Question& ask(Turn& turn, Case& c, Question& question, std::chrono::milliseconds deadline);
Result<void> answer(Turn& turn, Case& c, Question& question, api::QuestionState state, const std::string& text,
                    const std::string& by);
void expire_question(Turn& turn, Case& c, Question& question);

// ---- runs.cpp
struct RunSpec {
  std::string swarm;
  std::string definition;  ///< TOML
  api::RunStartRequest request;
};
Result<Case> start_run(Turn& turn, const RunSpec& spec);
Result<void> pause_run(Turn& turn, Case& c, const std::string& reason);
Result<void> resume_run(Turn& turn, Case& c);
Result<void> cancel_run(Turn& turn, Case& c, const std::string& reason);
Result<void> retry_run(Turn& turn, Case& c);
Result<void> change_feature(Turn& turn, Case& c, const std::string& feature);
void fail_run(Turn& turn, Case& c, const std::string& reason);
void agent_gone(Turn& turn, Case& c, const std::string& agent, const std::string& why);
void agent_here(Turn& turn, Case& c, const api::RunAgent& agent);
void tell_run(Turn& turn, const Case& c);
/// How long task leases stand still while a swarm cannot be reached.
inline constexpr std::chrono::minutes kMaxOffline{10};
/// A swarm's sandbox cannot be reached: its leases stand still. Told again: nothing.
void went_offline(Turn& turn, const std::string& swarm);
void came_online(Turn& turn, const std::string& swarm);
std::optional<std::int64_t> offline_since(Turn& turn, const std::string& swarm);
/// Deadlines that have passed, of runs that are under way: kind, id and run.
std::vector<std::tuple<Due, std::string, std::string>> passed(Turn& turn);

// ---- phases.cpp
/// Draws the conclusions of what has changed.
void settle(Turn& turn, Case& c);
/// A deadline has passed.
void due(Turn& turn, Case& c, Due kind, const std::string& id);
/// Sends a result that is not good enough back into implementation, as a task; false where nobody would do it.
bool mend(Turn& turn, Case& c, const std::string& title, const std::string& body, api::PhaseInfo& phase);

// ---- prompts.cpp
/// What every text of this run may name.
std::map<std::string, std::string> values_of(Turn& turn, const Case& c);
std::string task_prompt(Turn& turn, const Case& c, const Task& task, const std::string& agent);
std::string review_prompt(Turn& turn, const Case& c, const Review& review, const std::string& agent);
std::string vote_prompt(const Proposal& proposal);
std::string brief(Turn& turn, const Case& c, const api::RunAgent& agent);

}  // namespace swarm::workflow
