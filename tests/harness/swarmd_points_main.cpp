// The shipped daemon that tells each boundary of a run's steps, and dies at a chosen one.
//
//   SWARM_POINTS=FILE   a line for each boundary: "before merge:tsk_...:1"
//   SWARM_DIE_AT=N      SIGKILL at the N-th of this process; 0: never
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "daemon/serve.hpp"

int main(int argc, char** argv) {
  const swarm::ParsedOptions parsed = swarm::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  const char* path = std::getenv("SWARM_POINTS");
  const char* at = std::getenv("SWARM_DIE_AT");
  const int file = ::open(path == nullptr ? "/dev/null" : path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) {
    fmt::print(stderr, "swarmd-points: cannot write {}\n", path);
    return 2;
  }
  swarm::Parts parts;
  parts.watch_run = [file, left = at == nullptr ? 0L : std::atol(at)](const std::string& step, bool before) mutable {
    const std::string line = fmt::format("{} {}\n", before ? "before" : "after", step);
    // One write: it is whole, whatever comes next.
    if (::write(file, line.data(), line.size()) < 0) std::abort();
    if (left > 0 && --left == 0) ::kill(::getpid(), SIGKILL);
  };
  return swarm::serve(*parsed.options, std::move(parts));
}
