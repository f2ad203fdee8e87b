#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/load.hpp"

namespace swarm {

/// swarmd's command line.
struct Options {
  bool system = false;
  bool background = false;
  std::optional<std::filesystem::path> config;
  std::optional<std::filesystem::path> socket;
  std::vector<config::Flag> flags;  ///< --log-level=debug and the like: every setting is a flag
};

/// Options, or the exit status of a run that ends here (help, version, a mistake that was explained).
struct ParsedOptions {
  std::optional<Options> options;
  int exit_code = 0;
};

ParsedOptions parse_options(int argc, const char* const* argv);

}  // namespace swarm
