#pragma once

#include <fmt/format.h>

#include "daemon/providers/local/provider.hpp"
#include "protocol/async/fd.hpp"

namespace swarm::local {

/// A sandbox that runs, as the loop knows it.
struct LocalProvider::Sandbox {
  Sandbox(async::Loop& loop, Running r)
      : running(std::move(r)), watcher(loop, running.init_pidfd.get()), removed(loop), turn(loop), over(loop) {}

  Running running;
  async::FdWatcher watcher;  // before running's pidfd is closed: destroyed in reverse order
  async::Event removed;      ///< PID 1 has ended and nothing is left
  Result<void> outcome;      ///< of the removal
  async::Turn turn;
  async::Condition over;                    ///< its record says now that it is over a limit, or it has ended
  std::optional<std::uint64_t> counted_ns;  ///< CPU time that it had used when its files were counted
};

inline Error no_such_sandbox(const std::string& ref) {
  return {.code = Code::not_found, .message = fmt::format("no local sandbox '{}'", ref), .retryable = false};
}

}  // namespace swarm::local
