#pragma once
// Starting one sandbox: swarmd -> swarm-launch -> bwrap -> agentd init. Everything travels on descriptors; the argument
// lists that anybody can read with ps hold neither secrets nor anything that a user chose.
//
//   0-2  /dev/null, and a memory file for what the programs on the way have to say
//   3 4  the tunnel's listening socket and secret, through to agentd (agentd/init/protocol.hpp)
//   5-8  specification, bwrap's arguments, seccomp filter, bwrap's report: gone when agentd init runs
//   9    agentd init says that it runs

#include <chrono>
#include <string>
#include <vector>

#include "daemon/providers/local/identity.hpp"
#include "daemon/providers/local/process_ref.hpp"
#include "daemon/providers/local/rootfs.hpp"

namespace swarm::local {

/// The programs that a launch runs, as absolute paths.
struct LaunchPrograms {
  std::string launcher;  ///< swarm-launch
  std::string bwrap;
};

/// One sandbox to start. The directories and control groups exist already.
struct LaunchRequest {
  LaunchPrograms programs;
  IdentityPlan identity;
  RootfsPlan rootfs;
  Userns userns = Userns::forbidden;
  std::string seccomp;                    ///< of `seccomp_program`
  std::vector<std::string> cgroup_procs;  ///< of `CgroupSet::procs_files`
  std::vector<Rlimit> rlimits;
  int oom_score_adj = 200;  ///< the kernel takes a sandbox before the daemon
  int listen_fd = -1;       ///< borrowed; bound and listening
  std::string secret;       ///< 32 bytes
  /// A file that bwrap writes the host pid of PID 1 to. A file and not a pipe: should the daemon die in the middle of a
  /// launch, its successor finds the sandbox by it (`reported_pid`).
  std::string report_file;
  std::vector<std::string> argv;  ///< PID 1; "--ready-fd 9" is agentd init's way to say that it runs
  std::chrono::milliseconds timeout{30'000};
};

/// The descriptor on which PID 1 reports that it runs.
inline constexpr int kReadyFd = 9;

/// A sandbox whose PID 1 runs.
struct Launched {
  ProcessRef init;     ///< PID 1, as the host sees it. The sandbox is gone when this process is, and only then
  ProcessRef monitor;  ///< bwrap outside: our child, to be reaped by `reap`
  UniqueFd init_pidfd;
  UniqueFd monitor_pidfd;
};

/// Starts it and returns when PID 1 says that it runs. Blocking, a few milliseconds. On failure nothing runs any more
/// and the error holds what the programs said.
Result<Launched> launch(const LaunchRequest& request);

/// The pid that bwrap wrote to a report file; 0 when it did not come so far.
pid_t reported_pid(const std::string& report_file);

/// PID 1 of the sandbox whose launch was cut short, if it came so far and runs still. `not_before` is when the launch
/// began, in ticks as /proc/PID/stat counts them: an older process has only the same pid.
Result<ProcessRef> find_launched(const std::string& report_file, std::uint64_t not_before);

/// Takes the exit status of a monitor that has ended; nothing happens when it is not our child.
void reap(int monitor_pidfd);

/// Removes what a sandbox wrote, from inside a namespace with the same ids: on the host most of it belongs to uids that
/// the daemon is not. Then removes `directory` itself. The sandbox must be gone. Blocking, as long as the tree is
/// large.
Result<void> remove_files(const LaunchPrograms& programs, const IdentityPlan& identity, const std::string& directory);

}  // namespace swarm::local
