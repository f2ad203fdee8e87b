#pragma once

#include <optional>
#include <set>
#include <string>

#include "protocol/core/error.hpp"

namespace swarm::team {

/// Where a swarm lives.
struct Home {
  std::string swarm;
  std::string name;
  std::string sandbox;
  /// The agents that a call from that sandbox may be of; nothing: whoever its agentd says.
  std::optional<std::set<std::string>> agents{};
};

/// Whoever knows where swarms live.
class Homes {
 public:
  virtual ~Homes() = default;
  /// By id, unique prefix of it, or name; without a word the only one there is. `not_found`, or `invalid_argument`
  /// where it is not clear which.
  [[nodiscard]] virtual Result<Home> find(const std::optional<std::string>& what) const = 0;
  /// The swarm that lives in this sandbox, with those of its agents that do; nothing where none does.
  [[nodiscard]] virtual std::optional<Home> of_sandbox(const std::string& sandbox) const = 0;
};

}  // namespace swarm::team
