#pragma once
// How many columns text takes on a terminal: wide characters take two, combining ones none.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace swarm::client {

/// Columns of `text`, which is one line without control characters.
std::size_t display_width(std::string_view text);

/// Calls `told(character, columns)` for each character of `text`; one that combines with the one before has 0 columns.
void each_character(std::string_view text, const std::function<void(std::string_view, std::size_t)>& told);

/// `text` in at most `columns` columns; one that is cut ends in "…".
std::string cut_to_width(std::string_view text, std::size_t columns);

/// `text`, broken at spaces into lines of at most `columns` columns, with `indent` before each but the first; a word
/// that is longer stays whole. As it is where `columns` is 0.
std::string wrap_to_width(std::string_view text, std::size_t columns, std::string_view indent = {});

}  // namespace swarm::client
