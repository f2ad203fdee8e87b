#pragma once
// Completion at the prompt. The scripts for the shells are thin: they ask `swarmctl __complete` with the words typed so
// far, which walks the same tree that parses the command line, so nothing can be forgotten in a second list.

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace swarm::client {

struct Candidate {
  std::string word;
  std::string doc;
};

/// What can stand at the place of the last word.
struct Completion {
  std::vector<Candidate> candidates;
  bool sandbox = false;  ///< ids and names of sandboxes fit too
  bool files = false;    ///< so do file names; the shell knows them
};

/// `words` are those after "swarmctl", the last one being typed (perhaps empty).
Completion complete(const CLI::App& root, const std::vector<std::string>& words);

/// The script for "bash", "zsh" or "fish"; empty for another shell.
std::string completion_script(const std::string& shell);

}  // namespace swarm::client
