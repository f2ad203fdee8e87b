#pragma once
// Everything that a program started. The shim is a subreaper: whoever loses his parent, by a double fork or otherwise,
// becomes the shim's child. So the descendants are exactly those whose chain of parents ends at the shim, and none is
// left when the shim has no child.

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace swarm::agentd::shim {

struct Descendant {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  char state = 0;           ///< as proc(5) has it: R, S, T, Z ...
  std::uint64_t start = 0;  ///< with the pid, it names a process for ever
};

/// All descendants now, zombies left out. False when /proc cannot be read.
bool find_descendants(std::vector<Descendant>& found);

/// Sends a signal to that very process, never to another that got its number.
void send(const Descendant& to, int number);

/// SIGTERM to all, and SIGCONT, since a stopped process does not see it.
void ask_to_end(pid_t program);

/// Freezes all, looking again until no new one is found, then kills all. What forks faster than it can be stopped needs
/// another call; call until there is no child left.
void kill_all(pid_t program);

/// A signal to all, or to the members of one process group among them.
void signal_all(int number);
void signal_group(pid_t group, int number);

}  // namespace swarm::agentd::shim
