#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "daemon/providers/local/process_ref.hpp"

namespace swarm::local {

/// What a sandbox's files take of the host's disk.
struct Measured {
  std::uint64_t bytes = 0;  ///< in blocks, not sizes
  std::uint64_t entries = 0;
  bool whole = true;  ///< false: there is more than could be counted
};

/// One count that is under way, in a process of its own with less priority: trees may be large, and most of the files
/// belong to uids that the daemon is not. Destroying it ends the count.
class Measuring {
 public:
  /// Begins to count what is below `directory`, for the sandbox whose first process is `init`. Does not wait.
  static Result<Measuring> begin(const std::string& launcher, const std::filesystem::path& directory, pid_t init);
  Measuring(Measuring&&) = default;
  Measuring& operator=(Measuring&&) = delete;
  Measuring(const Measuring&) = delete;
  Measuring& operator=(const Measuring&) = delete;
  ~Measuring();

  /// Becomes readable when it is done.
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  /// What was counted, once it is done. Waits when it is not.
  Result<Measured> finish();

 private:
  Measuring(UniqueFd pidfd, UniqueFd said) : pidfd_(std::move(pidfd)), said_(std::move(said)) {}

  UniqueFd pidfd_;  // empty once it was waited for
  UniqueFd said_;
};

/// Free bytes of the file system that `directory` is on; nothing where it does not tell. What was written and has no
/// place on the disk yet is counted as taken.
std::optional<std::uint64_t> free_bytes(const std::filesystem::path& directory);

}  // namespace swarm::local
