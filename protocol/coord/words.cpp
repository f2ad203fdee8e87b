#include "protocol/coord/words.hpp"

#include <algorithm>
#include <sstream>

#include "protocol/coord/pattern.hpp"

namespace swarm::coord {

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream in(folded(text, Folding::simple));
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

bool has_words(std::string_view text, const std::vector<std::string>& words) {
  if (words.empty()) return true;
  const std::string all = folded(text, Folding::simple);
  return std::ranges::all_of(words, [&](const std::string& word) { return all.find(word) != std::string::npos; });
}

}  // namespace swarm::coord
