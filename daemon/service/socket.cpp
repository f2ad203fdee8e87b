#include "daemon/service/socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/transport/unix.hpp"

namespace swarm::service {
namespace {

Result<UniqueFd> take_lock(const std::filesystem::path& socket) {
  std::filesystem::path path = socket;
  path.replace_extension(".lock");
  UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return fail_errno("open", path.native());
  std::array<char, 32> holder{};
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno("lock", path.native());
    const ssize_t size = pread(lock.get(), holder.data(), holder.size() - 1, 0);
    const std::string_view pid(holder.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    return fail(Code::already_exists,
                fmt::format("a daemon{} serves '{}' already; 'swarmctl daemon stop' ends it, SWARMD_SOCKET chooses "
                            "another socket",
                            pid.empty() ? "" : fmt::format(" (pid {})", pid), socket.native()));
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(lock.get(), 0) != 0 || pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
    return fail_errno("write", path.native());
  }
  return lock;
}

std::uint64_t inode_of(const std::filesystem::path& path) {
  struct stat info{};
  return lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

}  // namespace

Result<ServerSocket> ServerSocket::bind(const std::filesystem::path& path) {
  Result<UniqueFd> lock = take_lock(path);
  if (!lock) return fail(lock.error());
  // With the lock in hand, whatever socket lies there belongs to nobody: its daemon is dead.
  if (inode_of(path) != 0) unlink(path.c_str());
  Result<UniqueFd> fd = transport::bind_unix(path.native(), 0600);
  if (!fd) return fail(fd.error(), "daemon socket");
  ServerSocket socket(path, std::move(*lock));
  socket.fd_ = std::move(*fd);
  socket.inode_ = inode_of(path);
  return socket;
}

Result<ServerSocket> ServerSocket::adopt(const std::filesystem::path& path, UniqueFd fd) {
  Result<UniqueFd> lock = take_lock(path);
  if (!lock) return fail(lock.error());
  ServerSocket socket(path, std::move(*lock));
  socket.fd_ = std::move(fd);
  return socket;
}

ServerSocket::~ServerSocket() {
  if (inode_ != 0 && lock_ && inode_of(path_) == inode_) unlink(path_.c_str());
}

}  // namespace swarm::service
