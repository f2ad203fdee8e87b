#include "agentd/init/init.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "agentd/init/protocol.hpp"

extern char** environ;  // NOLINT: posix_spawn wants it

namespace swarm::agentd {
namespace {

constexpr int kEnded = 0;
constexpr int kCannotBegin = 2;
constexpr int kLeaseExpired = 3;
constexpr off_t kMostLog = 1 << 20;

Millis now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::chrono::duration_cast<Millis>(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

void say(const std::string& text) { std::fprintf(stderr, "agentd init: %s\n", text.c_str()); }

class Init {
 public:
  explicit Init(const InitOptions& options) : options_(options), lease_(options.lease, now()) {}

  int run() {
    if (!begin()) return kCannotBegin;
    start();
    tell_ready();
    while (!done_) {
      wait();
      const Millis time = now();
      lease_.tick(time);
      if (lease_.expired() && !stopping_) {
        say("nobody extended the lease: ending the sandbox");
        status_ = kLeaseExpired;
        stop(time);
      }
      if (stopping_ && time >= stop_by_) done_ = true;
      if (restart_at_ && time >= *restart_at_ && !stopping_) start();
    }
    return status_;
  }

 private:
  bool begin() {
    // The secret is in our memory: no other process of the same uid may look into it.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    // Orphans come to PID 1 anyway; anywhere else (tests, a container with another init) they come to us by this.
    if (getpid() != 1) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (options_.ready_fd) fcntl(*options_.ready_fd, F_SETFD, FD_CLOEXEC);
    if (options_.processes) {
      // Set in here, not by who starts us: outside it would count the host's processes of the same uid.
      const rlimit limit{.rlim_cur = *options_.processes, .rlim_max = *options_.processes};
      setrlimit(RLIMIT_NPROC, &limit);
    }
    fcntl(kListenFd, F_SETFD, FD_CLOEXEC);
    fcntl(kSecretFd, F_SETFD, FD_CLOEXEC);
    sigset_t mask;
    sigfillset(&mask);
    // What the CPU raises cannot be waited for: blocked, it would kill us just the same.
    for (const int sig : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT}) sigdelset(&mask, sig);
    if (sigprocmask(SIG_SETMASK, &mask, nullptr) != 0) return false;
    signals_ = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) say(std::string("signalfd: ") + std::strerror(errno));
    return signals_ >= 0;
  }

  void tell_ready() {
    if (!options_.ready_fd) return;
    [[maybe_unused]] const ssize_t n = write(*options_.ready_fd, "r", 1);
    close(*options_.ready_fd);
  }

  /// Points our output at the log, once it can be made; an old one is kept beside it.
  void open_log() {
    if (options_.log_path.empty()) return;
    struct stat info{};
    if (stat(options_.log_path.c_str(), &info) == 0 && info.st_size > kMostLog)
      rename(options_.log_path.c_str(), (options_.log_path + ".1").c_str());
    const auto slash = options_.log_path.rfind('/');
    if (slash != std::string::npos && slash > 0) mkdir(options_.log_path.substr(0, slash).c_str(), 0755);
    const int log =
        open(options_.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (log < 0) return say("open '" + options_.log_path + "': " + std::strerror(errno));
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(log);
  }

  void start() {
    restart_at_.reset();
    open_log();
    if (control_ >= 0) close(control_);
    control_ = -1;
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
      say(std::string("socketpair: ") + std::strerror(errno));
      return try_again();
    }
    started_ = now();
    const int error = spawn(pair[1]);
    close(pair[1]);
    control_ = pair[0];
    if (error == 0) return;
    say("start '" + options_.argv[0] + "': " + std::strerror(error));
    agentd_ = 0;
    try_again();
  }

  int spawn(int control) {
    std::vector<char*> argv;
    for (const auto& word : options_.argv) argv.push_back(const_cast<char*>(word.c_str()));  // NOLINT: not written to
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    // A descriptor dup2'ed onto itself loses CLOEXEC in the child alone.
    posix_spawn_file_actions_adddup2(&actions, kListenFd, kListenFd);
    posix_spawn_file_actions_adddup2(&actions, kSecretFd, kSecretFd);
    posix_spawn_file_actions_adddup2(&actions, control, kControlFd);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    const int error = posix_spawn(&agentd_, argv[0], &actions, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
  }

  void try_again() { restart_at_ = now() + backoff_.next(now() - started_); }

  void wait() {
    std::array<pollfd, 2> fds = {pollfd{.fd = signals_, .events = POLLIN, .revents = 0},
                                 pollfd{.fd = control_, .events = POLLIN, .revents = 0}};
    if (poll(fds.data(), fds.size(), wake_in()) <= 0) return;
    if (fds[1].revents != 0) read_control();
    if (fds[0].revents != 0) read_signals();
  }

  [[nodiscard]] int wake_in() const {
    const Millis time = now();
    std::optional<Millis> wake = stopping_ ? std::optional(stop_by_ - time) : lease_.wake_in();
    if (restart_at_) wake = std::min(wake.value_or(*restart_at_ - time), *restart_at_ - time);
    if (!wake) return -1;
    return static_cast<int>(std::clamp<std::int64_t>(wake->count() + 1, 0, 60'000));
  }

  void read_control() {
    std::array<char, 64> packet{};
    while (control_ >= 0) {
      const ssize_t n = recv(control_, packet.data(), packet.size(), MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (n <= 0) {
        close(control_);
        control_ = -1;
        return;
      }
      obey(std::string_view(packet.data(), static_cast<std::size_t>(n)));
    }
  }

  void obey(std::string_view packet) {
    constexpr std::string_view kLease = "lease ";
    if (packet == "end") return stop(now());
    if (!packet.starts_with(kLease)) return;
    packet.remove_prefix(kLease.size());
    std::int64_t millis = 0;
    const auto [end, problem] = std::from_chars(packet.data(), packet.data() + packet.size(), millis);
    if (problem == std::errc{} && end == packet.data() + packet.size() && millis >= 0)
      lease_.set(Millis(millis), now());
  }

  void read_signals() {
    signalfd_siginfo info{};
    while (read(signals_, &info, sizeof info) == sizeof info) {
      switch (const int sig = static_cast<int>(info.ssi_signo)) {
        case SIGCHLD:
          break;  // reaped below, whatever number of deaths this one stands for
        case SIGTERM:
        case SIGINT:
        case SIGPWR:
          stop(now());
          break;
        case SIGHUP:
        case SIGUSR1:
        case SIGUSR2:
          if (agentd_ > 0) kill(agentd_, sig);
          break;
        default:
          break;
      }
    }
    reap();
  }

  void reap() {
    int status = 0;
    pid_t pid = 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != agentd_) continue;
      agentd_ = 0;
      read_control();  // what it said last still holds
      if (stopping_ || (WIFEXITED(status) && WEXITSTATUS(status) == kExitEndSandbox)) {
        done_ = true;
      } else {
        say(WIFEXITED(status) ? "agentd exited with status " + std::to_string(WEXITSTATUS(status))
                              : "agentd was killed by signal " + std::to_string(WTERMSIG(status)));
        try_again();
      }
    }
  }

  void stop(Millis time) {
    if (stopping_) return;
    stopping_ = true;
    stop_by_ = time + options_.grace;
    restart_at_.reset();
    if (agentd_ > 0)
      kill(agentd_, SIGTERM);
    else
      done_ = true;
  }

  const InitOptions& options_;
  Lease lease_;
  Backoff backoff_;
  int signals_ = -1;
  int control_ = -1;
  pid_t agentd_ = 0;
  Millis started_{0};
  std::optional<Millis> restart_at_;
  bool stopping_ = false;
  Millis stop_by_{0};
  bool done_ = false;
  int status_ = kEnded;
};

}  // namespace

int run_init(const InitOptions& options) { return Init(options).run(); }

}  // namespace swarm::agentd
