#pragma once
// What the daemon tells `swarm-launch`: a flat list of NUL-terminated words on one descriptor. Flat, because the reader
// runs between the daemon and the sandbox with the daemon's rights, and should have nothing to parse that can go wrong.
//
// This folder is linked into a static program; it knows the C library and nothing of the rest of the tree.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace swarm::local {

/// One line of /proc/PID/uid_map or gid_map.
struct IdMapLine {
  std::uint32_t inside = 0;
  std::uint32_t outside = 0;
  std::uint32_t count = 0;
  bool operator==(const IdMapLine&) const = default;
};

/// Who writes the id maps of the new user namespace.
enum class Mapper {
  none,       ///< no user namespace is made here: bwrap makes one with a single uid
  direct,     ///< the launcher's parent half writes them: it has CAP_SETUID where the namespace is made
  newuidmap,  ///< the setuid programs of package uidmap, from the ranges of /etc/subuid
};

/// A directory that is made below the first staged path, owned by ids of the new namespace.
struct MakeDir {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t mode = 0755;
  bool operator==(const MakeDir&) const = default;
};

/// A resource limit that is set before anything else of the sandbox runs.
struct Rlimit {
  int resource = 0;
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
  bool operator==(const Rlimit&) const = default;
};

/// What becomes of the launcher when it has prepared everything.
enum class LaunchAction {
  exec,     ///< run `argv`
  clean,    ///< remove everything below the first staged path, as root of the namespace, and exit
  measure,  ///< count what is below the first staged path, print it and exit
};

/// Everything that `swarm-launch` does, in the order in which it does it.
struct LaunchSpec {
  LaunchAction action = LaunchAction::exec;
  std::vector<std::string> cgroup_procs;  ///< `cgroup.procs` files that the launcher joins
  std::vector<Rlimit> rlimits;
  int oom_score_adj = 0;  ///< 0 leaves it alone
  Mapper mapper = Mapper::none;
  std::string newuidmap;  ///< absolute path, for Mapper::newuidmap
  std::string newgidmap;
  std::vector<IdMapLine> uids;
  std::vector<IdMapLine> gids;
  bool forbid_userns = false;       ///< sets user.max_user_namespaces of the new namespace to 0
  std::vector<std::string> stages;  ///< host paths bound at `stage_path(i)`; needs a mapper
  std::uint64_t memory_bytes = 0;   ///< not 0: the first stage is a tmpfs of this size, and its path is empty
  std::vector<MakeDir> make_dirs;
  std::vector<int> keep_fds;  ///< inherited by `argv` beside 0, 1 and 2; everything else is closed
  pid_t init = 0;             ///< LaunchAction::measure: the first process of the sandbox
  std::vector<std::string> argv;
  bool operator==(const LaunchSpec&) const = default;
};

/// How long counting may take.
inline constexpr std::chrono::seconds kMeasureFor{60};

/// The descriptor on which `swarm-launch` reads its specification.
inline constexpr int kSpecFd = 5;

/// Where the i-th staged path appears to the program that is run: below /sys, which no sandbox is ever given.
std::string stage_path(std::size_t index);

/// The words, each with its NUL.
std::string encode(const LaunchSpec& spec);

/// The inverse. False for anything that `encode` does not make; `spec` is then unspecified.
bool decode(std::string_view bytes, LaunchSpec& spec);

}  // namespace swarm::local
