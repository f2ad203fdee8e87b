// `agentd-init`: the program that bwrap starts as PID 1. Static, so that it starts in any root file system at once; the
// same code answers to `agentd init`.

#include <cstdio>

#include "agentd/init/init.hpp"

int main(int argc, char** argv) {
  std::string error;
  const auto options = swarm::agentd::parse_init_options({argv + 1, argv + argc}, error);
  if (!error.empty()) {
    std::fprintf(stderr, "agentd init: %s\n", error.c_str());
    return 2;
  }
  return swarm::agentd::run_init(options);
}
