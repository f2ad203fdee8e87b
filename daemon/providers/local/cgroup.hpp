#pragma once
// Control groups, as this machine happens to have them: one tree (v2), a tree a controller (v1), or both at once, and
// any of them writable or not. What a limit or a pause stands on is found out once, by trying, and reported as it is.
//
//   <our own group>/swarmd/<sandbox id>     one directory in each tree that is used

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::local {

/// What holds a limit.
enum class Mechanism {
  none,     ///< nothing does
  cgroup2,  ///< the kernel, for the sandbox as a whole
  cgroup1,  ///< the kernel, for the sandbox as a whole
  rlimit,   ///< the kernel, for each process or each uid
  tmpfs,    ///< the kernel: a file system of that size
  watched,  ///< we look now and then, and freeze the sandbox at its limit
  sweep,    ///< pause only: SIGSTOP to every process, which can be seen inside and raced
};

/// The word that `sandbox.info` uses: "cgroup-v2", "cgroup-v1", "rlimit", "tmpfs", "watched", "sigstop", "none".
std::string_view mechanism_name(Mechanism mechanism);

/// One controller: which tree it is in and below which directory we may make groups.
struct Controller {
  Mechanism mechanism = Mechanism::none;
  std::string directory;  ///< of "swarmd" groups; empty for Mechanism::none
  std::string why;        ///< for none: a sentence for `doctor`
};

/// Everything that this process may use of the machine's control groups.
struct CgroupHost {
  Controller memory;
  Controller cpu;
  Controller processes;
  Controller freezer;
  Controller usage;   ///< cpu.stat (v2) or cpuacct (v1)
  bool kill = false;  ///< cgroup.kill exists in the freezer's tree
};

/// Which trees may be used; configuration `provider.local.cgroups`.
enum class CgroupChoice { automatic, v2, v1, off };

/// Looks at /proc/self/mountinfo and /proc/self/cgroup and tries. Where our own v2 group was delegated to us and holds
/// only us, moves this process to a leaf below it (`daemon`), since controllers cannot be enabled beside processes.
/// Blocking.
CgroupHost find_cgroups(CgroupChoice choice);

/// What is asked for; absent means no limit.
struct CgroupLimits {
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint32_t> cpu_milli;  ///< 1000 is one CPU
  std::optional<std::uint32_t> processes;
};

/// The groups of one sandbox. A value: what is needed to find them again after a restart.
struct CgroupSet {
  std::vector<std::string> directories;
  std::string memory;  ///< empty where that tree is not used
  std::string usage;
  std::string freezer;
  std::string processes;
  Mechanism memory_by = Mechanism::none;
  Mechanism cpu_by = Mechanism::none;
  Mechanism processes_by = Mechanism::none;
  Mechanism freeze_by = Mechanism::none;
  Mechanism usage_by = Mechanism::none;
  bool operator==(const CgroupSet&) const = default;

  /// The files through which a process joins every group.
  [[nodiscard]] std::vector<std::string> procs_files() const;
};

/// Makes the groups of sandbox `id` and sets the limits. Leaves nothing behind when it fails.
Result<CgroupSet> make_cgroups(const CgroupHost& host, const std::string& id, const CgroupLimits& limits);

/// Stops every process of the sandbox, so that none of them can tell, and returns when all stand still.
/// `unimplemented` without a freezer, `deadline_exceeded` when one does not stop within two seconds.
Result<void> freeze(const CgroupSet& set);
/// Lets them go on.
Result<void> thaw(const CgroupSet& set);

/// Removes the groups; waits a little for the last process to be gone. Not an error when they are gone already.
Result<void> remove_cgroups(const CgroupSet& set);

/// What the groups count; absent where nothing counts it.
struct CgroupUsage {
  std::optional<std::uint64_t> cpu_ns;
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> memory_peak_bytes;
  std::optional<std::uint64_t> processes;
  std::optional<std::uint64_t> oom_kills;
};
CgroupUsage read_usage(const CgroupSet& set);

}  // namespace swarm::local
