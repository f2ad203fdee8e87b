#pragma once
// Who is in the swarm, what each can and does, and who is alive.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/coord/turn.hpp"

namespace swarm::coord {

enum class AgentState {
  starting,      ///< its program comes up
  working,       ///< in a turn
  idle,          ///< waits for something to do
  waiting,       ///< waits for a person, a permission or a lock
  rate_limited,  ///< parked until its provider lets it go on
  stale,         ///< not heard of for too long
  gone,          ///< its program has ended
};

std::string_view state_name(AgentState state);
Result<AgentState> parse_state(std::string_view text);
/// Whether messages may be addressed to an agent in this state.
constexpr bool is_live(AgentState state) { return state != AgentState::stale && state != AgentState::gone; }

/// What an agent is good at.
struct Skill {
  std::string name;   ///< compared without case
  double rate = 0.5;  ///< how often it succeeded, 0 to 1; unknown is 0.5
  bool operator==(const Skill&) const = default;
};

/// What an agent says of itself for others to find it by.
struct AgentCard {
  std::vector<Skill> skills;
  std::vector<std::string> tools;
  double availability = 1;  ///< 0: takes nothing; 1: free
  std::string about;
  bool operator==(const AgentCard&) const = default;
};

struct AgentRecord {
  std::string id;
  std::optional<std::int64_t> uid;
  std::string role;
  AgentState state = AgentState::starting;
  bool proven = true;  ///< its uid is its own
  Moment registered{};
  Moment heartbeat{};
  std::string task;
  std::string detail;  ///< why it is in its state
  AgentCard card;
};

struct NewAgent {
  std::string id;
  std::optional<std::int64_t> uid;
  std::string role;
  bool proven = true;
  AgentCard card;
  bool lead = false;  ///< is told of what others leave unanswered, whatever its role
};

/// An answer to "who can do this?", best first.
struct Candidate {
  std::string agent;
  double score = 0;  ///< mean success rate of the skills, times availability
};

struct RegistryOptions {
  Span stale_after = std::chrono::seconds(60);
  std::size_t most_agents = 1000;
};

/// The agents of one swarm, in its tables. No state of its own.
class Registry {
 public:
  explicit Registry(RegistryOptions options = {}) : options_(options) {}

  /// Adds an agent, or brings one back under its name. `invalid_argument`: bad name, rate or availability;
  /// `already_exists`: its uid is that of another living agent.
  Result<AgentRecord> add(const Turn& turn, NewAgent agent) const;

  /// What an agent does; a sign of life too. An absent field stays.
  Result<void> update(const Turn& turn, const std::string& id, std::optional<AgentState> state,
                      std::optional<std::string> task, std::optional<std::string> detail) const;
  Result<void> set_card(const Turn& turn, const std::string& id, AgentCard card) const;

  /// Its program has ended. Its locks are the caller's to free.
  Result<void> gone(const Turn& turn, const std::string& id, std::string_view why) const;

  /// `not_found` names who there is.
  Result<AgentRecord> find(const Turn& turn, const std::string& id) const;
  /// The state alone; nothing for a name that nobody has.
  Result<std::optional<AgentState>> state_of(const Turn& turn, const std::string& id) const;
  /// The living agent of this uid. `not_found`, or `failed_precondition` where several share it.
  Result<AgentRecord> by_uid(const Turn& turn, std::int64_t uid) const;
  Result<std::vector<AgentRecord>> list(const Turn& turn) const;
  /// Ids of those alive, by name; with `role` only those of it.
  Result<std::vector<std::string>> live(const Turn& turn, const std::optional<std::string>& role = {}) const;

  /// Those alive that are told of what others leave unanswered: marked so, or of the role.
  Result<std::vector<std::string>> leads(const Turn& turn, const std::string& role) const;

  /// Living agents that have all of these skills and tools, best first; one that is not available scores 0 and is left
  /// out.
  Result<std::vector<Candidate>> with_skills(const Turn& turn, std::span<const std::string> skills,
                                             std::span<const std::string> tools,
                                             std::span<const std::string> except) const;

  /// Marks those not heard of for too long; their ids.
  Result<std::vector<std::string>> advance(const Turn& turn) const;
  Result<std::optional<Moment>> next_deadline(const Turn& turn) const;

 private:
  RegistryOptions options_;
};

}  // namespace swarm::coord
