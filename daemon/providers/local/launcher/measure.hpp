#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace swarm::local {

/// What a sandbox's files take.
struct Tree {
  std::uint64_t bytes = 0;    ///< in blocks that the file system gave, not sizes: holes are free
  std::uint64_t entries = 0;  ///< names that were looked at
  bool whole = true;          ///< false: too deep, or the time was over; there is more than this
};

/// Counts what lies below the open directory `root`, each file once whatever its names, and what the sandbox whose
/// first process is `init` holds open without a name. Follows no symbolic link and crosses no mount. Needs a bounded
/// number of descriptors and no stack, and stops after `most`: a hostile program can make any tree while it is looked
/// at.
///
/// Enters the sandbox's user namespace, for good: files and processes of its uids are others' to an ordinary user, who
/// made that namespace and has every right inside it. Empty on success, else a sentence.
///
/// Not seen, and not to be had without a quota of the file system: a file without a name that is only mapped, where the
/// daemon is not root, or that is only on its way through a socket.
std::string measure(int root, pid_t init, std::chrono::seconds most, Tree& tree);

}  // namespace swarm::local
