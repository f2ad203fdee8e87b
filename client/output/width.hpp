#pragma once
// How many columns text takes on a terminal: wide characters take two, combining ones none.

#include <cstddef>
#include <string>
#include <string_view>

namespace swarm::client {

/// Columns of `text`, which is one line without control characters.
std::size_t display_width(std::string_view text);

/// `text` in at most `columns` columns; one that is cut ends in "…".
std::string cut_to_width(std::string_view text, std::size_t columns);

/// `text`, broken at spaces into lines of at most `columns` columns, with `indent` before each but the first; a word
/// that is longer stays whole. As it is where `columns` is 0.
std::string wrap_to_width(std::string_view text, std::size_t columns, std::string_view indent = {});

}  // namespace swarm::client
