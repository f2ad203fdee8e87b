#pragma once
// A wish for a feature, as a file in `features/` says it: lines of "key: value". What is quoted in them are Python
// literals, which are passed on as they stand and never read here.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::demo {

/// A word of a wish's `steps`, with the literal behind it: `take 3`, `prefix '> '`.
struct Step {
  std::string name;
  std::string argument;  ///< empty: none
};

/// What goes in, and what may come out.
struct Example {
  std::string input;
  std::vector<std::string> results;
};

struct Wish {
  std::string path;  ///< of the wish's own file, in the repository
  std::string title;
  std::string kind;  ///< `fix`, `op` or `flag`
  std::string name;
  std::string module;                ///< the file to write or to mend
  std::string function;              ///< of a fix
  std::string test;                  ///< the file of its test
  std::vector<Step> steps;           ///< what the feature does, in order
  std::vector<std::string> choices;  ///< literals for a last step `join`, where the wish leaves that open
  std::string register_in;           ///< the file with a list of names that it has to be in
  std::string list;                  ///< the name of that list
  std::vector<std::string> needs;    ///< names of wishes that come first
  bool urgent = false;
  std::vector<Example> examples;

  /// The module as Python's import names it: `words.ops.amber`.
  [[nodiscard]] std::string module_name() const;
  [[nodiscard]] std::string test_name() const;
};

/// Reads the text of such a file. `invalid_argument` says which line is wrong.
Result<Wish> parse_wish(const std::string& path, const std::string& text);

}  // namespace swarm::demo
