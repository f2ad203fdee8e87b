#pragma once
// What the sandbox uses, as it can be seen from inside: /proc of its own pid namespace, and its cgroup where that is
// visible. The daemon knows some of it better (the cgroup on the host) and lays its figures over these
// (protocol/metrics).

#include <memory>
#include <string>
#include <vector>

#include "agentd/metrics/disk_use.hpp"
#include "protocol/api/sandbox_types.hpp"
#include "protocol/core/clock.hpp"
#include "protocol/core/error.hpp"

namespace swarm::agentd {

struct MetricsSetup {
  std::string proc = "/proc";
  std::string cgroup = "/sys/fs/cgroup";
  /// Directories that the sandbox writes to. One in memory is a file system of its own, which tells what is used of it
  /// and counts once; others lie on a disk of the host and are walked.
  std::vector<std::string> disks = {"/workspace", "/tmp", "/dev/shm", "/home", "/root", "/var/tmp"};
  std::shared_ptr<DiskUse> walked = std::make_shared<DiskUse>();  ///< shared with jobs on the thread pool
};

/// Reads all figures in one pass over /proc: two small files and a stat a process; see DiskUse for the disk. Blocks:
/// for the thread pool.
///
/// CPU time is that of living processes and of the children that they have waited for; it falls back only where
/// somebody ignores SIGCHLD. Memory without a cgroup is what is not shared, and the largest shared part once.
Result<api::SandboxMetrics> read_metrics(const MetricsSetup& setup, const Clock& clock);

}  // namespace swarm::agentd
