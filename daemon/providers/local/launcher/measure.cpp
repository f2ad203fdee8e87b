#include "daemon/providers/local/launcher/measure.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "daemon/providers/local/launcher/syscalls.hpp"

namespace swarm::local {
namespace {

using Clock = std::chrono::steady_clock;

// POSIX counts st_blocks in these, whatever the file system's own.
constexpr std::uint64_t kBlock = 512;

/// Nothing that is made by names alone is deeper (PATH_MAX), and so many descriptors may be had everywhere.
constexpr std::size_t kMostLevels = 900;

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Dir open_dir(int parent, const char* name) {
  const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
  // Only an owner may leave the time of access alone.
  const int other = fd < 0 ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : fd;
  if (other < 0) return nullptr;
  Dir dir(fdopendir(other));
  if (!dir) close(other);
  return dir;
}

bool is_dots(const char* name) { return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0; }

class Count {
 public:
  Count(dev_t device, Clock::time_point until, Tree& tree) : device_(device), until_(until), tree_(tree) {}

  void walk(Dir top) {
    std::vector<Dir> levels;
    levels.push_back(std::move(top));
    while (!levels.empty()) {
      const dirent* entry = readdir(levels.back().get());
      if (entry == nullptr) {
        levels.pop_back();
        continue;
      }
      const char* name = &entry->d_name[0];
      if (is_dots(name)) continue;
      if (late()) return;
      struct stat info{};
      const int fd = dirfd(levels.back().get());
      if (fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || info.st_dev != device_) continue;
      ++tree_.entries;
      add(info);
      if (!S_ISDIR(info.st_mode)) continue;
      if (levels.size() >= kMostLevels) {
        tree_.whole = false;
        continue;
      }
      if (Dir inner = open_dir(fd, name)) levels.push_back(std::move(inner));
    }
  }

  /// Files without a name that these processes hold. False where some could not be looked at.
  bool held_by(const std::vector<pid_t>& processes) {
    bool all = true;
    for (const pid_t pid : processes) {
      const std::string proc = "/proc/" + std::to_string(pid);
      all = held_in((proc + "/fd").c_str()) && all;
      held_in((proc + "/map_files").c_str());  // for root alone
    }
    return all;
  }

 private:
  bool late() {
    constexpr std::uint64_t kSeldom = 256;
    if (++looked_ % kSeldom != 0 || Clock::now() < until_) return false;
    tree_.whole = false;
    return true;
  }

  void add(const struct stat& info) {
    const bool once = S_ISDIR(info.st_mode) || info.st_nlink == 1;
    if (once || seen_.insert(info.st_ino).second) tree_.bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
  }

  bool held_in(const char* directory) {
    const Dir dir(opendir(directory));
    if (!dir) return errno == ENOENT || errno == ESRCH;  // it has ended
    while (const dirent* entry = readdir(dir.get())) {
      struct stat info{};
      if (is_dots(&entry->d_name[0])) continue;
      if (fstatat(dirfd(dir.get()), &entry->d_name[0], &info, 0) != 0) continue;
      if (S_ISREG(info.st_mode) && info.st_nlink == 0 && info.st_dev == device_) add(info);
    }
    return true;
  }

  dev_t device_;
  Clock::time_point until_;
  Tree& tree_;
  std::uint64_t looked_ = 0;
  std::set<ino_t> seen_;  // files with several names, or with none
};

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
};

pid_t parent_of(const char* pid) {
  const std::string path = std::string("/proc/") + pid + "/stat";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::array<char, 512> text{};
  const ssize_t n = read(fd, text.data(), text.size() - 1);
  close(fd);
  // "pid (name) state parent": the name may hold anything, also ')'.
  const char* end = n > 0 ? std::strrchr(text.data(), ')') : nullptr;
  if (end == nullptr || std::strlen(end) < 5) return 0;
  pid_t parent = 0;
  std::from_chars(end + 4, text.data() + n, parent);
  return parent;
}

/// `init` and everything below it: orphans of a pid namespace become children of its first process.
std::vector<pid_t> family(pid_t init) {
  std::vector<Process> all;
  const Dir proc(opendir("/proc"));
  while (const dirent* entry = proc ? readdir(proc.get()) : nullptr) {
    const char* name = &entry->d_name[0];
    pid_t pid = 0;
    if (std::from_chars(name, name + std::strlen(name), pid).ec != std::errc{}) continue;
    if (const pid_t parent = parent_of(name); parent != 0) all.push_back({pid, parent});
  }
  std::vector<pid_t> members = {init};
  for (std::size_t i = 0; i < members.size(); ++i) {
    for (const Process& process : all)
      if (process.parent == members[i]) members.push_back(process.pid);
  }
  return members;
}

std::string enter(pid_t init) {
  const std::string path = "/proc/" + std::to_string(init) + "/ns/user";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed("open", path);
  const int entered = setns(fd, CLONE_NEWUSER);
  const std::string error = entered == 0 ? "" : failed("setns", path);
  close(fd);
  return error;
}

/// A descriptor for each level of a tree.
void allow_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

std::string measure(int root, pid_t init, std::chrono::seconds most, Tree& tree) {
  struct stat info{};
  if (fstat(root, &info) != 0) return failed("fstat", "root");
  allow_descriptors();
  Count count(info.st_dev, Clock::now() + most, tree);
  const std::vector<pid_t> processes = family(init);
  // The host's root sees every process as it is; inside the namespace it would lose the sight of what is only mapped.
  const bool seen = geteuid() == 0 && count.held_by(processes);
  if (std::string error = enter(init); !error.empty()) return error;
  if (!seen) count.held_by(processes);
  Dir top = open_dir(root, ".");
  if (!top) return failed("open", "root");
  count.walk(std::move(top));
  return {};
}

}  // namespace swarm::local
