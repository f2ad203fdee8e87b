#pragma once
// Where things live on the host. Daemon and client ask the same function, so that they meet at the same socket.
//
//            user mode                                         system mode
//   config   $XDG_CONFIG_HOME/swarmd/config.toml               /etc/swarmd/config.toml
//   state    $XDG_STATE_HOME/swarmd/{db,sandboxes,repos,log}   /var/lib/swarmd/{db,sandboxes,repos}, /var/log/swarmd
//   data     $XDG_DATA_HOME/swarmd/{tools,templates,artifacts} /var/lib/swarmd/{tools,templates,artifacts}
//   runtime  $XDG_RUNTIME_DIR/swarmd, else /run/swarmd (root), /run/swarmd
//            else /tmp/swarmd-$UID
//   socket   $SWARMD_SOCKET, else <runtime>/swarmd.sock

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm {

/// The longest path that fits into a Unix socket's address, without its final NUL.
inline constexpr std::size_t kMaxSocketPath = 107;

/// Looks a variable up; an empty one counts as not set.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

/// What decides the places. `current()` takes it from this process; tests name their own roots.
struct Surroundings {
  enum class Mode { user, system };
  Mode mode = Mode::user;
  uid_t uid = 0;
  std::string home;  ///< of the password database; $HOME comes first
  Environment environment;
  std::filesystem::path etc = "/etc";
  std::filesystem::path run = "/run";
  std::filesystem::path tmp = "/tmp";
  std::filesystem::path var = "/var";

  [[nodiscard]] static Surroundings current(Mode mode);
};

/// The places themselves. Nothing is created by naming them.
struct Places {
  Surroundings::Mode mode = Surroundings::Mode::user;
  uid_t uid = 0;
  std::filesystem::path config_file;
  std::filesystem::path state;
  std::filesystem::path database;  ///< directory of the store
  std::filesystem::path sandboxes;
  std::filesystem::path repos;
  std::filesystem::path log;
  std::filesystem::path data;
  std::filesystem::path tools;
  std::filesystem::path templates;
  std::filesystem::path artifacts;
  std::filesystem::path runtime;
  std::filesystem::path socket;

  /// Works out all places. A relative XDG variable is ignored, as its specification asks; so is an $XDG_RUNTIME_DIR
  /// that is not a directory of ours (`su` and `sudo -E` leave that of the other user). `failed_precondition` without
  /// any home; `invalid_argument` for a socket path that is relative or too long.
  [[nodiscard]] static Result<Places> find(const Surroundings& surroundings);

  /// Makes the directories that are missing, each with its mode, and checks those that exist (`ensure_directory`).
  [[nodiscard]] Result<void> create() const;
};

/// Where a client looks for a daemon, in order: only $SWARMD_SOCKET if set, else the user's own and the system's.
[[nodiscard]] Result<std::vector<std::filesystem::path>> client_sockets(const Surroundings& surroundings);

/// `invalid_argument` for a path that is relative or longer than `kMaxSocketPath`, with what to do.
[[nodiscard]] Result<void> check_socket_path(const std::filesystem::path& path);

/// Makes `path` and its missing parents (0700), or checks what is there: a real directory (no symlink as its last
/// part), owned by `uid`, not writable for others, below no directory in which others could exchange it (world-writable
/// without the sticky bit). Permissions wider than `mode` that only let others read are taken away. `permission_denied`
/// with the reason otherwise.
[[nodiscard]] Result<void> ensure_directory(const std::filesystem::path& path, mode_t mode, uid_t uid);

}  // namespace swarm
