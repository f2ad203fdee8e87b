#include "agentd/metrics/disk_use.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <utility>

#include "protocol/core/deleter.hpp"

namespace swarm::agentd {
namespace {

// POSIX counts st_blocks in these, whatever the file system's own.
constexpr std::uint64_t kBlock = 512;
constexpr int kServesTimes = 20;

class Walk {
 public:
  void add(const std::string& root) {
    struct stat info{};
    if (::lstat(root.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return;
    device_ = info.st_dev;
    waiting_.push_back(root);
    while (!waiting_.empty()) {
      const std::string path = std::move(waiting_.back());
      waiting_.pop_back();
      directory(path);
    }
  }
  [[nodiscard]] std::uint64_t bytes() const { return blocks_ * kBlock; }

 private:
  void directory(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    const CPtr<DIR, closedir> entries(::fdopendir(fd));
    if (!entries) {
      ::close(fd);
      return;
    }
    while (const dirent* entry = ::readdir(entries.get())) {
      const char* name = &entry->d_name[0];
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      struct stat info{};
      if (::fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || info.st_dev != device_) continue;
      if (S_ISDIR(info.st_mode)) {
        waiting_.push_back(path + "/" + name);
      } else if (info.st_nlink > 1 && !linked_.emplace(info.st_dev, info.st_ino).second) {
        continue;
      }
      blocks_ += static_cast<std::uint64_t>(info.st_blocks);
    }
  }

  std::vector<std::string> waiting_;
  std::set<std::pair<dev_t, ino_t>> linked_;  // files with several names that were counted
  dev_t device_ = 0;
  std::uint64_t blocks_ = 0;
};

}  // namespace

std::uint64_t DiskUse::bytes(const std::vector<std::string>& roots) {
  const std::scoped_lock lock(mutex_);
  const Steady::time_point begun = Steady::now();
  if (roots == roots_ && begun < good_until_) return figure_;
  Walk walk;
  for (const std::string& root : roots) walk.add(root);
  const Steady::time_point ended = Steady::now();
  roots_ = roots;
  figure_ = walk.bytes();
  good_until_ = ended + kServesTimes * (ended - begun);
  return figure_;
}

}  // namespace swarm::agentd
