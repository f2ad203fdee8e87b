#include "daemon/providers/local/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

namespace swarm::local {
namespace {

/// A child with exactly the descriptors that were given.
class Spawn {
 public:
  Spawn() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  /// `fd` becomes `number` in the child. All of ours are moved above the numbers in use first, so that none overwrites
  /// another that is still to come.
  Result<void> give(int number, int fd) {
    constexpr int kAbove = 64;
    UniqueFd high(fcntl(fd, F_DUPFD_CLOEXEC, kAbove));
    if (!high) return fail_errno("fcntl", std::to_string(fd));
    posix_spawn_file_actions_adddup2(&actions_, high.get(), number);
    held_.push_back(std::move(high));
    return {};
  }

  Result<pid_t> run(const std::string& program) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    // A session of its own: a Ctrl-C for the daemon's terminal is not for the sandboxes.
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    std::string name = "swarm-launch";
    char* argv[] = {name.data(), nullptr};
    char* environment[] = {nullptr};
    pid_t pid = 0;
    const int error = posix_spawn(&pid, program.c_str(), &actions_, &attributes_, argv, environment);
    if (error != 0) return fail_errno("start", program, error);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
  std::vector<UniqueFd> held_;
};

}  // namespace

Result<Started> start_launcher(const std::string& launcher, std::initializer_list<std::pair<int, int>> descriptors) {
  Spawn spawn;
  for (const auto& [number, fd] : descriptors) {
    if (auto given = spawn.give(number, fd); !given) return fail(given.error(), "launch");
  }
  const auto pid = spawn.run(launcher);
  if (!pid) return fail(pid.error());
  Started started;
  started.pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, *pid, 0)));
  if (!started.pidfd) return fail_errno("pidfd_open", std::to_string(*pid));
  if (auto ref = refer_to(*pid); ref) started.ref = *ref;
  return started;
}

}  // namespace swarm::local
