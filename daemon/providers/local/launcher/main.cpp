// swarm-launch: what has to happen between the daemon and bwrap, in a small static program of its own, because nothing
// safe can be done between fork and exec of a daemon with threads. Reads a LaunchSpec from descriptor 5, prepares the
// process (cgroups, limits, user namespace, the host paths that the sandbox is given) and becomes bwrap.
//
// Exit status: that of the program that was run; 120 when preparing failed, with the reason on stderr.

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/providers/local/launcher/measure.hpp"
#include "daemon/providers/local/launcher/remove_tree.hpp"
#include "daemon/providers/local/launcher/spec.hpp"
#include "daemon/providers/local/launcher/syscalls.hpp"
#include "daemon/providers/local/launcher/userns.hpp"

namespace swarm::local {
namespace {

constexpr int kPreparingFailed = 120;

std::string join_cgroups(const LaunchSpec& spec) {
  for (const auto& path : spec.cgroup_procs) {
    if (auto error = write_file(path, "0"); !error.empty()) return error;
  }
  return {};
}

std::string set_limits(const LaunchSpec& spec) {
  for (const auto& limit : spec.rlimits) {
    rlimit current{};
    const auto resource = static_cast<__rlimit_resource>(limit.resource);
    if (getrlimit(resource, &current) != 0) return failed("getrlimit", std::to_string(limit.resource));
    // Never above what the daemon itself has: raising needs a privilege that it may not hold.
    const rlimit wanted{.rlim_cur = std::min<rlim_t>(limit.soft, current.rlim_max),
                        .rlim_max = std::min<rlim_t>(limit.hard, current.rlim_max)};
    if (setrlimit(resource, &wanted) != 0) return failed("setrlimit", std::to_string(limit.resource));
  }
  if (spec.oom_score_adj != 0) return write_file("/proc/self/oom_score_adj", std::to_string(spec.oom_score_adj));
  return {};
}

/// In place of a descriptor: this stage is a tmpfs.
constexpr int kMemory = -2;

/// Opens the staged paths while we still may: after this the process gives up the daemon's rights over files.
std::string open_stages(const LaunchSpec& spec, std::vector<int>& fds) {
  for (const auto& path : spec.stages) {
    const int fd = path.empty() ? kMemory : open(path.c_str(), O_PATH | O_CLOEXEC);
    if (fd < 0 && fd != kMemory) return failed("open", path);
    fds.push_back(fd);
  }
  return {};
}

/// One tmpfs for everything that the sandbox writes: one size limits it all.
std::string mount_memory(const std::string& target, std::uint64_t bytes) {
  if (mkdir(target.c_str(), 0755) != 0) return failed("mkdir", target);
  const std::string options =
      "mode=0755,size=" + std::to_string(bytes) + ",nr_inodes=" + std::to_string(bytes / 4096 + 1024);
  if (mount("swarm", target.c_str(), "tmpfs", MS_NODEV | MS_NOSUID, options.c_str()) != 0)
    return failed("mount tmpfs", target);
  return {};
}

std::string bind_stage(int fd, const std::string& target) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return failed("fstat", target);
  if (S_ISDIR(info.st_mode)) {
    if (mkdir(target.c_str(), 0755) != 0) return failed("mkdir", target);
  } else {
    const int file = open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0) return failed("create", target);
    close(file);
  }
  const std::string source = "/proc/self/fd/" + std::to_string(fd);
  if (mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return failed("bind", target);
  return {};
}

std::string mount_stages(const LaunchSpec& spec, const std::vector<int>& fds) {
  // Nothing that is mounted here may appear on the host.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return failed("mount --make-rslave", "/");
  if (fds.empty()) return {};
  if (mount("swarm-stage", "/sys", "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m") != 0)
    return failed("mount tmpfs", "/sys");
  for (std::size_t i = 0; i < fds.size(); ++i) {
    auto error = fds[i] == kMemory ? mount_memory(stage_path(i), spec.memory_bytes) : bind_stage(fds[i], stage_path(i));
    if (!error.empty()) return error;
  }
  return {};
}

/// The directory that the sandbox writes to. Without a namespace of our own nothing is staged: it is used where it is.
std::string first_stage(const LaunchSpec& spec) {
  return spec.mapper == Mapper::none ? spec.stages.at(0) : stage_path(0);
}

std::string make_directories(const LaunchSpec& spec) {
  for (const auto& dir : spec.make_dirs) {
    const std::string path = first_stage(spec) + "/" + dir.name;
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed("mkdir", path);
    if (spec.mapper != Mapper::none && chown(path.c_str(), dir.uid, dir.gid) != 0) return failed("chown", path);
    if (chmod(path.c_str(), dir.mode) != 0) return failed("chmod", path);
  }
  return {};
}

std::string prepare(const LaunchSpec& spec) {
  std::string error = join_cgroups(spec);
  if (error.empty()) error = set_limits(spec);
  if (!error.empty()) return error;
  if (spec.mapper != Mapper::none) {
    std::vector<int> fds;
    error = enter_user_namespace(spec);
    if (error.empty()) error = open_stages(spec, fds);
    if (error.empty()) error = become_namespace_root();
    if (error.empty() && spec.forbid_userns) error = write_file("/proc/sys/user/max_user_namespaces", "0");
    if (error.empty()) error = mount_stages(spec, fds);
    if (!error.empty()) return error;
  }
  return make_directories(spec);
}

int clean(const LaunchSpec& spec) {
  const std::string path = first_stage(spec);
  const int root = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (root < 0) {
    say(failed("open", path));
    return 1;
  }
  errno = remove_contents(root);
  if (errno == 0) return 0;
  say(failed("remove", spec.stages.at(0)));
  return 1;
}

/// Prints bytes, entries and whether that is all, for whoever started us.
int measure(const LaunchSpec& spec) {
  // It looks again and again while others work.
  constexpr int kNice = 10;
  (void)setpriority(PRIO_PROCESS, 0, kNice);
  const std::string& path = spec.stages.at(0);
  const int root = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  Tree tree;
  std::string error = root < 0 ? failed("open", path) : measure(root, spec.init, kMeasureFor, tree);
  if (!error.empty()) {
    say(error);
    return 1;
  }
  const std::string line =
      std::to_string(tree.bytes) + " " + std::to_string(tree.entries) + (tree.whole ? " whole\n" : " more\n");
  return write(STDOUT_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size()) ? 0 : 1;
}

int run() {
  std::string bytes;
  LaunchSpec spec;
  if (!read_all(kSpecFd, bytes) || !decode(bytes, spec)) {
    say("descriptor 5 holds no valid specification; this program is started by swarmd only");
    return kPreparingFailed;
  }
  if (spec.stages.empty() && (spec.action != LaunchAction::exec || !spec.make_dirs.empty())) {
    say("the sandbox's directory was not named");
    return kPreparingFailed;
  }
  if (spec.action == LaunchAction::measure) return measure(spec);
  std::string error = prepare(spec);
  if (error.empty() && spec.action == LaunchAction::clean) return clean(spec);
  if (error.empty()) error = close_all_but(spec.keep_fds);
  if (error.empty()) {
    exec(spec.argv);
    error = failed("exec", spec.argv.front());
  }
  say(error);
  return kPreparingFailed;
}

}  // namespace
}  // namespace swarm::local

int main() { return swarm::local::run(); }
