#pragma once

#include <string>
#include <vector>

#include "client/context.hpp"

namespace CLI {
class App;
}

namespace swarm::client {

/// Adds all commands to the root of the tree.
void build_commands(CLI::App& root, Selection& selection);

/// What the command line came to: something to run, or text to print and a status.
struct ParsedLine {
  Selection selection;
  std::optional<int> exit;  ///< set where there is nothing to run
  std::string out;          ///< for standard output
  std::optional<Error> error;
};

/// Reads the command line (without the program's name). Unknown names come with the nearest known one.
ParsedLine parse_line(std::vector<std::string> arguments);

}  // namespace swarm::client
