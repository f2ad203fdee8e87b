#pragma once
// The three words that systemd and a service exchange, spoken without libsystemd (sd_notify(3), sd_listen_fds(3),
// sd_watchdog_enabled(3)). Without systemd every function does nothing.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/clock.hpp"
#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::service {

/// What systemd handed to this process, taken out of the environment so that no child sees it. Call once, at start.
struct ServiceManager {
  std::string notify_socket;         ///< NOTIFY_SOCKET; empty without one
  std::vector<UniqueFd> listen_fds;  ///< LISTEN_FDS, when LISTEN_PID is ours
  std::optional<Duration> watchdog;  ///< WATCHDOG_USEC, when WATCHDOG_PID is ours or unset

  /// Reads and removes NOTIFY_SOCKET, LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, WATCHDOG_USEC and WATCHDOG_PID. Before
  /// any thread is started (it changes the environment).
  static ServiceManager take();

  /// Sends "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..." or several, one a line. A manager that does not listen
  /// is no failure of ours.
  void notify(std::string_view state) const;
};

}  // namespace swarm::service
