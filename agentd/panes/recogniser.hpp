#pragma once
// What a program does, read from its screen. The rules are data that came with the pane (`api::PaneProgram`); the
// screen is hostile: it can look like anything, so a rule can be held to the lowest lines, and nothing is ever answered
// here.

#include <memory>
#include <optional>

#include "agentd/panes/text.hpp"
#include "protocol/api/pane_types.hpp"
#include "protocol/core/error.hpp"

namespace swarm::agentd::panes {

/// The line that is typed in.
struct Composer {
  std::size_t row = 0;
  std::string typed;  ///< what is in it; hints of the program left out
  bool operator==(const Composer&) const = default;
};

class Recogniser {
 public:
  /// `invalid_argument` names the pattern that is no regular expression.
  static Result<std::unique_ptr<Recogniser>> make(const api::PaneProgram& program);
  Recogniser(const Recogniser&) = delete;
  Recogniser& operator=(const Recogniser&) = delete;
  ~Recogniser();

  /// The state of a program that runs.
  [[nodiscard]] api::PaneState state(const std::vector<ScreenLine>& screen) const;

  /// The composer, where it is known and there.
  [[nodiscard]] std::optional<Composer> composer(const std::vector<ScreenLine>& screen) const;
  [[nodiscard]] bool knows_composer() const { return composer_ != nullptr; }

 private:
  struct Pattern;
  struct Rule;
  explicit Recogniser(const api::PaneProgram& program);

  std::vector<Rule> rules_;
  std::unique_ptr<Pattern> composer_;
  std::unique_ptr<Pattern> composer_end_;
  bool faint_is_empty_;
  api::PaneState otherwise_;
};

}  // namespace swarm::agentd::panes
