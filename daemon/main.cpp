#include <fmt/format.h>

#include <cstdio>

#include "daemon/config_main.hpp"
#include "daemon/db_main.hpp"
#include "daemon/serve.hpp"

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "config") return swarm::config_main(argc, argv);
    if (argc > 1 && std::string_view(argv[1]) == "db") return swarm::db_main(argc, argv);
    const swarm::ParsedOptions parsed = swarm::parse_options(argc, argv);
    if (!parsed.options) return parsed.exit_code;
    return swarm::serve(*parsed.options);
  } catch (const std::exception& bug) {
    fmt::print(stderr, "swarmd: internal error: {}\n", bug.what());
    return 1;
  }
}
