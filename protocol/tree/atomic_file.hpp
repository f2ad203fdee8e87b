#pragma once

#include <sys/types.h>
#include <ctime>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::tree {

/// What happens when the final name is taken.
enum class Existing : std::uint8_t { replace, refuse };

/// Whether content must survive power loss before it counts as written.
enum class Durability : std::uint8_t { process, power };

/// Writes all of it to `fd`.
Result<void> write_fully(int fd, std::span<const char> bytes);

/// A file that does not have its name yet. Written under a random name beside the final one, which it takes in one step
/// at `commit`; destroyed before, it leaves nothing.
class AtomicFile {
 public:
  /// Makes it in `directory`, which must stay open as long as this, with mode 0600.
  static Result<AtomicFile> create(int directory);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Writes all of it behind what was written before.
  Result<void> write(std::span<const char> bytes) { return write_fully(fd_.get(), bytes); }

  /// Gives it mode, time and name. `already_exists` when it is taken and shall stay, or is a directory.
  Result<void> commit(const std::string& name, mode_t mode, std::optional<std::int64_t> mtime_ns, Existing existing,
                      Durability durability);

 private:
  AtomicFile(int directory, std::string temporary, UniqueFd fd)
      : directory_(directory), temporary_(std::move(temporary)), fd_(std::move(fd)) {}
  void drop() noexcept;

  int directory_;
  std::string temporary_;  // empty once it has its name
  UniqueFd fd_;
};

/// `ns` since the Unix epoch, rounded down as POSIX wants it for times before it.
timespec timespec_of(std::int64_t ns);

/// The inverse, cut to what fits.
std::int64_t nanoseconds_of(const timespec& time);

/// A name that nobody else uses: ".swarm-" and 16 random hexadecimal digits.
std::string temporary_name();

/// renameat within `directory`; with `refuse`, in one step with the check (renameat2).
Result<void> rename_within(int directory, const std::string& from, const std::string& to, Existing existing);

}  // namespace swarm::tree
