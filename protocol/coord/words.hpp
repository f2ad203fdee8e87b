#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace swarm::coord {

/// The words of a search, folded.
std::vector<std::string> words_of(std::string_view text);

/// Whether `text` has each of the folded words in it, in any case.
bool has_words(std::string_view text, const std::vector<std::string>& words);

}  // namespace swarm::coord
