#pragma once
// What a sandbox sees: the arguments for bwrap, built without touching anything, so that a test can read them.
//
//   /usr, /bin -> usr/bin ...   the host's or the template's, read-only
//   /etc                        made for us (etc.hpp), read-only
//   /opt/swarm                  agentd's bundle, read-only
//   /home /root /workspace /tmp /var/tmp    the sandbox's own, writable
//   /run /dev/shm               tmpfs, small
//   /dev                        null zero full random urandom tty pts, read-only around them
//   /proc                       of the sandbox's pid namespace; /proc/sys read-only
//   everything else             an empty read-only tmpfs

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/providers/local/launcher/spec.hpp"
#include "protocol/core/error.hpp"

namespace swarm::local {

/// One name directly below the root directory that a sandbox gets.
struct RootEntry {
  enum class Kind { directory, file, symlink };
  Kind kind = Kind::directory;
  std::string target;  ///< where it appears: "/usr"
  std::string source;  ///< host path; for a symlink its text
  bool operator==(const RootEntry&) const = default;
};

/// A host path that is shown to a sandbox.
struct Bind {
  enum class Access { read_only, read_write };
  std::string source;
  std::string target;
  Access access = Access::read_only;
  bool operator==(const Bind&) const = default;
};

/// Whether programs inside may make user namespaces (nested sandboxes of agent CLIs need it).
enum class Userns { forbidden, allowed };

/// Where the sandbox's own files are.
enum class Storage {
  disk,    ///< a directory of the host; its size is watched
  memory,  ///< one tmpfs, which the kernel limits
};

/// Everything that decides the root file system.
struct RootfsRequest {
  bool isolated = true;         ///< an id range is mapped by the launcher (identity.hpp)
  std::vector<RootEntry> root;  ///< of `host_root` or `template_root`
  std::string etc_dir;          ///< made by `make_etc`
  std::string bundle_dir;       ///< empty: no bundle (tests)
  Storage storage = Storage::disk;
  std::string files_dir;            ///< Storage::disk: an empty directory on the host for this sandbox alone
  std::uint64_t storage_bytes = 0;  ///< Storage::memory
  std::vector<Bind> binds;
  std::vector<std::string> path;  ///< directories that come first in PATH, after agentd's own
  std::vector<std::pair<std::string, std::string>> environment;
  Userns userns = Userns::forbidden;
  std::string hostname = "sandbox";
  std::uint64_t shm_bytes = 64U << 20;
  std::uint64_t run_bytes = 64U << 20;
};

/// For the launcher: its stages and directories; for bwrap: its arguments, without the program to run.
struct RootfsPlan {
  std::vector<std::string> stages;
  std::uint64_t memory_bytes = 0;
  std::vector<MakeDir> make_dirs;
  std::vector<std::string> bwrap;
};

/// /usr and what belongs to it on this host.
Result<std::vector<RootEntry>> host_root();

/// Everything below a template's root directory that a sandbox does not have as its own.
Result<std::vector<RootEntry>> template_root(const std::string& directory);

/// `invalid_argument` for a bind whose target is relative, has "..", or covers what isolation stands on
/// (/, /proc, /dev, /sys, /etc and what is below them, /opt/swarm).
Result<RootfsPlan> plan_rootfs(const RootfsRequest& request);

}  // namespace swarm::local
