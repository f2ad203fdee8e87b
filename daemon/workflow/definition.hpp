#pragma once
// What a run does, as people write it: a TOML file with phases, roles, prompts and gates.
//
//   name = "autonomous-dev"
//   [limits]                        # run, lease, attempts, tasks
//   [[phase]]                       # in order
//   name = "research"
//   kind = "answer"                 # a question to a role; its answer is {{answer.research}} for those that follow
//   role = "researcher"
//   prompt = "..."
//
// Kinds: `answer`; `implement`, `review`, `consensus`, `integrate`, which stand side by side and through which every
// task goes on its own; `test`; `approve`; `deliver`.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/api/proposal.hpp"
#include "protocol/api/run.hpp"

namespace swarm::workflow {

enum class PhaseKind : std::uint8_t { answer, implement, review, consensus, integrate, test, approve, deliver };

std::string_view kind_name(PhaseKind kind);

/// One of those between a plan and what is tested: each task passes through them.
bool is_stage(PhaseKind kind);

/// Who else has to look at changes of some files, as in a CODEOWNERS file.
struct ReviewRule {
  std::vector<std::string> paths;  ///< globs
  std::vector<std::string> roles;
  std::vector<std::string> agents;
  std::uint32_t count = 1;
};

/// Which fields mean something depends on the kind.
struct Phase {
  std::string name;
  PhaseKind kind = PhaseKind::answer;
  std::string role;                       ///< answer, implement: who; empty: anybody
  std::string title;                      ///< answer: of its task. deliver: of the result
  std::string prompt;                     ///< what is told to who does it
  bool each = false;                      ///< answer: everybody of the role answers
  std::uint32_t tasks = 0;                ///< answer: it counts only if so many tasks were added in it
  std::chrono::milliseconds deadline{0};  ///< of a review, vote, gate; 0: none
  std::uint32_t count = 1;                ///< review: how many others
  std::uint32_t rounds = 3;               ///< review: then it is a dispute. test: how often a red result is mended
  std::vector<std::string> roles;         ///< review: preferred
  std::vector<ReviewRule> rules;
  api::VoteMethod method = api::VoteMethod::majority;
  double threshold = 2.0 / 3.0;
  double quorum = 0.5;
  api::TieBreak tie_break = api::TieBreak::lead;
  bool veto = false;
  std::map<std::string, double> weights;
  std::string
      fallback;  ///< consensus: `merge`, `change` or `drop` when nothing is decided. approve: `approve`, `reject`
  std::string on_reject;  ///< approve: `mend` makes a task of the person's words; `fail` ends the run
  api::MergeOrder order = api::MergeOrder::task;  ///< integrate
  std::string command;                            ///< integrate, test; empty: the run's
  std::chrono::milliseconds timeout{std::chrono::minutes(10)};
};

struct Definition {
  std::string name;
  std::string title;
  std::chrono::milliseconds run_limit{std::chrono::hours(4)};
  std::chrono::milliseconds lease{std::chrono::minutes(15)};
  /// How long a task waits for the agent that it goes back to before anybody may take it.
  std::chrono::milliseconds reserve{std::chrono::minutes(5)};
  std::chrono::milliseconds ask{std::chrono::hours(1)};  ///< a question of an agent to a person
  std::uint32_t attempts = 4;
  std::uint32_t tasks = 200;
  std::string on_stuck = "ask";  ///< a task that all attempts failed at: `ask` a person, `drop` it, or `fail` the run
  std::string brief;             ///< what every agent is told at its start
  std::vector<Phase> phases;

  /// The first phase of that kind, or null.
  [[nodiscard]] const Phase* phase(PhaseKind kind) const;
  [[nodiscard]] std::vector<std::string> roles() const;
};

/// Reads a definition. `problems` gets a line each ("line 12: ..."); with any, the result is not to be used.
Definition parse_definition(std::string_view toml, std::vector<std::string>& problems);

/// `invalid_argument` with all problems.
Result<Definition> read_definition(std::string_view toml);

/// Takes over how a run wants its changes reviewed; without any reviewer there is no review and no dispute.
void set_review(Definition& definition, std::optional<std::uint32_t> reviewers, std::optional<std::uint32_t> rounds);

/// What `workflow.show` tells of it.
api::WorkflowInfo describe_workflow(const Definition& definition, std::string_view source);

/// Replaces `{{name}}`. Names that `values` does not have stay as they are.
std::string filled_in(std::string_view text, const std::map<std::string, std::string>& values);

/// The names in `{{...}}`, each once.
std::vector<std::string> variables_of(std::string_view text);

/// A workflow that comes with the program.
struct BuiltIn {
  std::string_view name;
  std::string_view toml;
};
std::span<const BuiltIn> built_in_workflows();

}  // namespace swarm::workflow
