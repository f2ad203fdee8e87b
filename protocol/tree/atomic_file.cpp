#include "protocol/tree/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "protocol/core/utf8.hpp"

namespace swarm::tree {

std::string temporary_name() {
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random) throw std::runtime_error("getrandom failed");
  return fmt::format(".swarm-{:016x}", random);
}

timespec timespec_of(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = ns / kSecond;
  std::int64_t rest = ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

std::int64_t nanoseconds_of(const timespec& time) {
  constexpr std::int64_t kMaxSeconds = 9'223'372'035;
  return std::clamp<std::int64_t>(time.tv_sec, -kMaxSeconds, kMaxSeconds) * 1'000'000'000 + time.tv_nsec;
}

Result<void> rename_within(int directory, const std::string& from, const std::string& to, Existing existing) {
  const unsigned flags = existing == Existing::refuse ? RENAME_NOREPLACE : 0U;
  if (::renameat2(directory, from.c_str(), directory, to.c_str(), flags) == 0) return {};
  if (errno == EINVAL && flags != 0) {  // a file system without that flag: a link cannot replace anything either
    if (::linkat(directory, from.c_str(), directory, to.c_str(), 0) == 0) {
      ::unlinkat(directory, from.c_str(), 0);
      return {};
    }
  }
  if (errno == EEXIST) return fail(Code::already_exists, fmt::format("'{}' exists already", shown(to)));
  if (errno == EISDIR) return fail(Code::already_exists, fmt::format("'{}' is a directory", shown(to)));
  return fail_errno("rename to", shown(to));
}

Result<AtomicFile> AtomicFile::create(int directory) {
  for (int attempt = 0;; ++attempt) {
    std::string name = temporary_name();
    UniqueFd fd(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd) return AtomicFile(directory, std::move(name), std::move(fd));
    if (errno != EEXIST || attempt == 8) return fail_errno("create a file", "");
  }
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : directory_(other.directory_), temporary_(std::exchange(other.temporary_, {})), fd_(std::move(other.fd_)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this != &other) {
    drop();
    directory_ = other.directory_;
    temporary_ = std::exchange(other.temporary_, {});
    fd_ = std::move(other.fd_);
  }
  return *this;
}

AtomicFile::~AtomicFile() { drop(); }

void AtomicFile::drop() noexcept {
  if (!temporary_.empty()) ::unlinkat(directory_, temporary_.c_str(), 0);
  temporary_.clear();
}

Result<void> AtomicFile::commit(const std::string& name, mode_t mode, std::optional<std::int64_t> mtime_ns,
                                Existing existing, Durability durability) {
  if (::fchmod(fd_.get(), mode) != 0) return fail_errno("chmod", shown(name));
  if (mtime_ns) {
    const timespec time = timespec_of(*mtime_ns);
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, time};
    if (::futimens(fd_.get(), static_cast<const timespec*>(times)) != 0)
      return fail_errno("set the time of", shown(name));
  }
  if (durability == Durability::power && ::fsync(fd_.get()) != 0) return fail_errno("fsync", shown(name));
  const Result<void> renamed = rename_within(directory_, temporary_, name, existing);
  if (!renamed) return renamed;
  temporary_.clear();
  // The name itself is only durable with its directory.
  if (durability == Durability::power && ::fsync(directory_) != 0 && errno != EINVAL)
    return fail_errno("fsync", "directory");
  return {};
}

}  // namespace swarm::tree
