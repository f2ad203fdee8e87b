#include "agentd/exec/shim/launch.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace swarm::agentd::shim {
namespace {

constexpr std::size_t kStackBytes = std::size_t{64} * 1024;
constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Child {
  const Program& program;
  Failure& failure;
  pid_t parent;
};

[[noreturn]] void give_up(const Child& child, Stage stage) {
  child.failure = {.stage = stage, .error = errno};
  _exit(127);
}

/// What sh(1) and execvp(3) do with a file that is executable but in no known format: it is a shell script.
void exec_file(const char* path, const Program& program) {
  execve(path, program.argv.data(), program.env.data());
  if (errno != ENOEXEC) return;
  std::vector<char*> argv;
  const char* shell = "/bin/sh";
  argv.push_back(const_cast<char*>(shell));  // NOLINT: execve does not write to it
  argv.push_back(const_cast<char*>(path));   // NOLINT
  for (std::size_t i = 1; i < program.argv.size(); ++i) argv.push_back(program.argv[i]);
  execve(shell, argv.data(), program.env.data());
}

void exec_by_path(const Program& program) {
  const char* name = program.argv[0];
  if (std::strchr(name, '/') != nullptr) return exec_file(name, program);
  std::string_view path = kDefaultPath;
  for (const char* entry : program.env) {
    if (entry != nullptr && std::strncmp(entry, "PATH=", 5) == 0) path = entry + 5;
  }
  std::array<char, 4096> file{};
  int worst = ENOENT;
  while (true) {
    const auto colon = path.find(':');
    const std::string_view folder = path.substr(0, colon);
    const std::size_t length = std::strlen(name);
    // An empty entry would mean the working directory, which a repository controls: left out on purpose.
    if (!folder.empty() && folder.size() + 1 + length < file.size()) {
      folder.copy(file.data(), folder.size());
      file.at(folder.size()) = '/';
      std::memcpy(file.data() + folder.size() + 1, name, length + 1);
      exec_file(file.data(), program);
      if (errno == EACCES) worst = EACCES;  // goes on, as execvp does: a later one may be ours to run
      if (errno != EACCES && errno != ENOENT && errno != ENOTDIR) return;
    }
    if (colon == std::string_view::npos) break;
    path.remove_prefix(colon + 1);
  }
  errno = worst;
}

void set_limits(const Child& child) {
  const Request& request = *child.program.request;
  for (std::uint32_t i = 0; i < request.limit_count; ++i) {
    const Limit& limit = request.limits[i];  // NOLINT: the count was checked
    const rlimit value{.rlim_cur = limit.soft, .rlim_max = limit.hard};
    if (setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) != 0) give_up(child, Stage::limits);
  }
}

void switch_user(const Child& child) {
  const Request& request = *child.program.request;
  if ((request.flags & kSwitchUser) == 0) return;
  std::array<gid_t, kMostGroups> groups{};
  for (std::uint32_t i = 0; i < request.group_count; ++i) groups.at(i) = request.groups[i];  // NOLINT
  // Raw calls: glibc's would look for other threads in memory that belongs to our parent. A user namespace with a
  // single id forbids setgroups; there is nothing to drop there either.
  if (syscall(SYS_setgroups, request.group_count, groups.data()) != 0 && request.uid != geteuid()) {
    give_up(child, Stage::groups);
  }
  if (syscall(SYS_setresgid, request.gid, request.gid, request.gid) != 0) give_up(child, Stage::gid);
  if (syscall(SYS_setresuid, request.uid, request.uid, request.uid) != 0) give_up(child, Stage::uid);
}

/// Runs in the shim's memory while the shim waits (CLONE_VFORK), so a failure is simply written where it reads it.
int child_main(void* argument) {
  const Child& child = *static_cast<const Child*>(argument);
  const Request& request = *child.program.request;
  // A session only where there is a terminal for it: with autogroup scheduling (sched(7)) each new session waits for
  // its share of a busy machine, which made the start ten times slower there. A group of its own does for signals.
  if ((request.flags & kTerminal) == 0) {
    if (setpgid(0, 0) != 0) give_up(child, Stage::session);
  } else {
    if (setsid() < 0) give_up(child, Stage::session);
    if (ioctl(0, TIOCSCTTY, 0) != 0) give_up(child, Stage::terminal);
  }
  set_limits(child);
  switch_user(child);
  umask(static_cast<mode_t>(request.umask));
  // Should somebody kill the shim, its program must not go on unsupervised. After the switch, which clears it.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != child.parent) _exit(127);
  if (*child.program.cwd != '\0' && chdir(child.program.cwd) != 0) give_up(child, Stage::cwd);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  exec_by_path(child.program);
  give_up(child, Stage::program);
}

}  // namespace

bool read_request(int fd, Program& program) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return false;
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size <= sizeof(Request)) return false;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (memory == MAP_FAILED) return false;  // NOLINT
  const auto* request = static_cast<const Request*>(memory);
  char* at = static_cast<char*>(memory) + sizeof(Request);
  char* end = static_cast<char*>(memory) + size;
  if (request->magic != kMagic || request->version != kVersion || *(end - 1) != '\0') return false;
  if (request->group_count > kMostGroups || request->limit_count > kMostLimits) return false;
  const auto next = [&]() -> char* {
    char* here = at;
    if (here < end) at += std::strlen(here) + 1;
    return here;
  };
  program.request = request;
  program.cwd = next();
  program.argv.reserve(request->argument_count + 1);
  program.env.reserve(request->environment_count + 1);
  for (std::uint32_t i = 0; i < request->argument_count && at < end; ++i) program.argv.push_back(next());
  for (std::uint32_t i = 0; i < request->environment_count && at < end; ++i) program.env.push_back(next());
  const bool whole = !program.argv.empty() && program.argv.size() == request->argument_count &&
                     program.env.size() == request->environment_count;
  program.argv.push_back(nullptr);
  program.env.push_back(nullptr);
  return whole;
}

pid_t launch(const Program& program, Failure& failure) {
  alignas(16) static std::array<std::byte, kStackBytes> stack;
  Child child{.program = program, .failure = failure, .parent = getpid()};
  failure = {};
  const pid_t pid =
      clone(child_main, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, &child);  // NOLINT: C
  if (pid < 0) failure = {.stage = Stage::spawn, .error = errno};
  return pid;
}

}  // namespace swarm::agentd::shim
