#pragma once
// A process that is found again after the daemon was restarted.

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::local {

/// A pid alone names another process tomorrow; with its start time and the boot it names one process for ever.
struct ProcessRef {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< field 22 of /proc/PID/stat
  std::string boot_id;            ///< /proc/sys/kernel/random/boot_id
  bool operator==(const ProcessRef&) const = default;
};

/// The id of this boot of the machine.
std::string boot_id();

/// Now, as start times are counted.
std::uint64_t ticks_now();

/// Names a process that runs now. `not_found` when there is none.
Result<ProcessRef> refer_to(pid_t pid);

/// A pidfd for exactly the process that was meant; `not_found` when it is gone, whoever has its pid now.
Result<UniqueFd> open_process(const ProcessRef& process);

/// Sends a signal through a pidfd. `not_found` when the process has ended.
Result<void> signal_process(int pidfd, int signal);

/// True once the process has ended (also as a zombie).
bool has_ended(int pidfd);

}  // namespace swarm::local
