#pragma once
// What is asked for, against what this machine can hold: for each limit the best mechanism there is, and its name.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/providers/local/cgroup.hpp"
#include "daemon/providers/local/rootfs.hpp"
#include "protocol/api/sandbox_types.hpp"

namespace swarm::local {

/// The settings that hold the limits of one sandbox, and what is said about them.
struct LimitPlan {
  CgroupLimits cgroups;
  std::vector<Rlimit> rlimits;
  std::optional<std::uint64_t> processes_per_uid;  ///< RLIMIT_NPROC, set inside by init
  std::uint64_t storage_bytes = 0;                 ///< Storage::memory: size of the tmpfs
  std::vector<api::LimitStatus> status;
  std::vector<std::string> weaknesses;
};

/// A disk limit that is looked after from here (disk_watch.hpp), and how well.
api::LimitStatus watched_disk(std::uint64_t limit_bytes);

/// Plans. Never fails: a limit that nothing can hold is reported as held by nothing.
LimitPlan plan_limits(const api::SandboxLimits& wanted, const CgroupHost& host, Storage storage);

}  // namespace swarm::local
