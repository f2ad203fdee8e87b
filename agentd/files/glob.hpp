#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::agentd::files {

/// A pattern of paths. `*` and `?` stay within a name, `**` as a whole name stands for any number of directories, none
/// too, `[a-z]` and `[!a-z]` choose one character, `{a,b}` chooses between alternatives, and `\` takes the meaning from
/// what follows. At the end `**` is everything below. A slash at the end wants directories.
///
/// Hidden names: a dot at the beginning of a name is only matched by a dot in the pattern; `*`, `?`, `[...]` and `**`
/// pass over hidden files and do not enter hidden directories. `.*` or `.config/**` ask for them.
///
/// A character is one of UTF-8, or one byte where the name is none.
class Glob {
 public:
  /// `invalid_argument` for a pattern that is absolute, climbs with "..", is not closed, or has more than 256
  /// alternatives.
  static Result<Glob> parse(std::string_view pattern);

  /// Where in which alternative a match stands. Every alternative is matched at once, so a directory is read once.
  struct Position {
    std::size_t alternative;
    std::size_t name;
    auto operator<=>(const Position&) const = default;
  };
  using Positions = std::vector<Position>;

  /// What one more name makes of a match.
  struct Step {
    bool matched = false;  ///< the path up to here is one that was looked for
    Positions inside;      ///< where things stand below it; empty when nothing below can match
  };

  [[nodiscard]] Positions start() const;
  [[nodiscard]] Step step(const Positions& at, std::string_view name, bool directory) const;

  /// Whether a whole path matches. Parts before the last are taken for directories.
  [[nodiscard]] bool matches(std::string_view path, bool directory) const;

 private:
  struct Alternative {
    std::vector<std::string> names;
    bool directories_only = false;
  };
  void add_closed(Positions& to, Position position) const;
  std::vector<Alternative> alternatives_;
};

/// One name against a pattern without slashes and braces.
bool match_name(std::string_view pattern, std::string_view name);

}  // namespace swarm::agentd::files
