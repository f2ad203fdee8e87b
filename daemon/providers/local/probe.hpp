#pragma once
// What this machine allows, for `swarmctl doctor`: each finding is a sentence that says what is missing and what to do.

#include <string>
#include <vector>

#include "daemon/providers/local/sandbox.hpp"

namespace swarm::local {

enum class Level {
  good,     ///< as it should be
  weaker,   ///< sandboxes work, with less than the design gives
  missing,  ///< no sandbox can be started
};

/// One thing that was looked at.
struct Finding {
  std::string name;  ///< "bwrap", "user-namespaces", "proc", "uids", "memory", "cpu", "processes", "freezer", "bundle"
  Level level = Level::good;
  std::string sentence;
};

/// Version numbers as "bubblewrap 0.8.0" has them; nullopt when there are none.
std::optional<std::pair<int, int>> parse_version(std::string_view text);

/// True when something is mounted over a part of this /proc (the text is that of /proc/self/mountinfo), as container
/// engines do. The kernel then refuses a new proc file system in a user namespace.
bool is_proc_masked(std::string_view mountinfo);

/// Why user namespaces cannot be made, from the settings of the kernel; empty when nothing is known against it.
std::string userns_obstacle(std::uint32_t uid);

/// Looks and tries: makes a user namespace, runs bwrap with a new /proc. Blocking, some milliseconds.
std::vector<Finding> probe(const Host& host);

}  // namespace swarm::local
