#pragma once
// Writes Python for the steps of a wish. For some steps there is an implementation that comes to mind first and is
// wrong in rare cases; the demo agent takes the first that comes to mind, like the people that it plays.

#include <map>
#include <string>
#include <vector>

#include "agentd/demo/wish.hpp"

namespace swarm::demo {

/// How many ways there are to write this step; 0: the step is not known.
std::size_t ways(const Step& step);

/// A module with `apply(text)`: `way[i]` is which implementation step i gets (0: the first that comes to mind),
/// `choice` the literal for what the wish leaves open. `not_found` names a step that nobody taught us.
Result<std::string> write_module(const Wish& wish, const std::vector<std::size_t>& way, const std::string& choice);

/// All ways to write a wish, the first that comes to mind first.
std::vector<std::vector<std::size_t>> all_ways(const Wish& wish);

/// `text` with `name` in the one-line list `LIST = [...]`, sorted; unchanged when it is there.
Result<std::string> add_to_list(const std::string& text, const std::string& list, const std::string& name);

/// `text` with every conflict resolved to the side that was brought in; lists keep the names that either side has.
std::string take_theirs(const std::string& text);

/// `test` (Python's unittest) without the methods of these names.
std::string without_methods(const std::string& test, const std::vector<std::string>& names);

/// Every text that differs from `code` by one small repair inside of `function`, the likely ones first.
std::vector<std::string> repairs(const std::string& code, const std::string& function);

}  // namespace swarm::demo
