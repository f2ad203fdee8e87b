#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace swarm::agentd {

/// What directories hold, counted by walking them: for those that lie on a disk of the host, where the file system
/// tells of everybody's files. Safe from every thread.
class DiskUse {
 public:
  /// Bytes in blocks below `roots`, each file once whatever its names; symbolic links and other file systems are not
  /// followed, and what cannot be read counts nothing. A walk of a large tree takes its time, so the last figure
  /// serves for at least twenty times as long as it took.
  std::uint64_t bytes(const std::vector<std::string>& roots);

 private:
  using Steady = std::chrono::steady_clock;

  std::mutex mutex_;  // held for a walk: whoever asks meanwhile waits for its figure
  std::vector<std::string> roots_;
  std::uint64_t figure_ = 0;
  Steady::time_point good_until_{};
};

}  // namespace swarm::agentd
