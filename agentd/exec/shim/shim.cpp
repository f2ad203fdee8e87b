#include "agentd/exec/shim/shim.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agentd/exec/shim/oom.hpp"
#include "agentd/exec/shim/tree.hpp"

namespace swarm::agentd::shim {
namespace {

constexpr std::int64_t kLeftoverGraceUs = 250'000;
constexpr std::int64_t kHangupGraceUs = 2'000'000;
constexpr std::int64_t kFirstSweepPauseUs = 1'000;
constexpr std::int64_t kMostSweepPauseUs = 100'000;
constexpr std::int64_t kShortestSliceUs = 200'000;
constexpr std::int64_t kLongestSliceUs = 30'000'000;
constexpr std::int64_t kSliceSlackUs = 500'000;  // a busy machine, not a pause
constexpr std::size_t kReadBytes = 65536;
constexpr int kReadsARound = 16;  // so that a firehose of output does not delay a command to end it

std::int64_t clock_us(clockid_t which) {
  timespec t{};
  clock_gettime(which, &t);
  return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}
std::int64_t now() { return clock_us(CLOCK_MONOTONIC); }

std::int64_t microseconds(const timeval& t) { return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_usec; }

void set_nonblocking(int fd) {
  if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void close_fd(int& fd) {
  if (fd >= 0) close(std::exchange(fd, -1));
}

}  // namespace

int Shim::run() {
  if (!begin()) {
    state_.phase = Phase::failed;
    state_.stage = Stage::request;
    state_.error = EINVAL;
    report();
    return 1;
  }
  start();
  while (state_.phase != Phase::gone && state_.phase != Phase::failed) wait();
  return 0;
}

bool Shim::begin() {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  // The request holds an environment with secrets: no process of the same uid may look into our memory.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (syscall(SYS_close_range, kControlFd, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0) {
    for (int fd = kControlFd; fd <= kLastFd; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  sigset_t all;
  sigfillset(&all);
  // What the CPU raises cannot be waited for: blocked, it would kill us just the same.
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT}) sigdelset(&all, number);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGCHLD);
  sigaddset(&ours, SIGTERM);
  sigaddset(&ours, SIGUSR1);
  signals_ = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
  const bool understood = signals_ >= 0 && read_request(kRequestFd, program_);
  close(kRequestFd);
  if (!understood) return false;
  if ((program_.request->flags & kHasInput) != 0) input_ = kInputFd;
  if (in_pane()) {
    control_ = -1;
    status_ = kStatusFd;
    own_terminal();
    return true;
  }
  if (background()) {
    listen_ = kListenFd;
    status_ = kStatusFd;
    if (!out_ring_.open(kOutSpoolFd)) return false;
    out_ = terminal() ? dup(input_) : kOutFd;
    if (!terminal()) {
      if (!err_ring_.open(kErrSpoolFd)) return false;
      err_ = kErrFd;
    }
    for (const int fd : {listen_, out_, err_, input_}) set_nonblocking(fd);
    fcntl(out_, F_SETFD, FD_CLOEXEC);
  }
  return true;
}

/// The terminal goes to the program's user, who may open it by name as in any login, and out of our session, so that it
/// can be the controlling one of the program's.
void Shim::own_terminal() {
  const Request& request = *program_.request;
  if ((request.flags & kSwitchUser) != 0 && fchown(0, request.uid, request.gid) == 0) fchmod(0, 0600);
  ioctl(0, TIOCNOTTY);
  watched_terminal_ = dup(0);
  fcntl(watched_terminal_, F_SETFD, FD_CLOEXEC);
}

void Shim::start() {
  started_at_ = now();
  state_.started_us = clock_us(CLOCK_REALTIME);
  Failure failure;
  const pid_t pid = launch(program_, failure);
  if (failure.stage != Stage::none) {
    state_.phase = Phase::failed;
    state_.stage = failure.stage;
    state_.error = failure.error;
    if (pid > 0) waitpid(pid, nullptr, 0);
    return report();
  }
  state_.phase = Phase::running;
  state_.pid = pid;
  alive_ = true;
  report();
  // Our copies of its output would keep the end from its readers. Of a terminal one stays open until the program has
  // ended: without any, the master answers with a hangup that may be over when somebody opens /dev/tty again.
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = terminal() ? 1 : 0; fd <= 2; ++fd) dup2(nothing, fd);
  if (nothing > 2) close(nothing);
  if (program_.request->timeout_ms >= 0) timeout_left_ = program_.request->timeout_ms * 1000;
  counted_at_ = started_at_;
  ooms_ = oom_kills();
}

void Shim::wait() {
  std::array<pollfd, 6> fds{};
  const std::array<int, 6> watched = {signals_, control_, listen_, out_, err_, watched_terminal_};
  for (std::size_t i = 0; i < fds.size(); ++i) fds.at(i) = {.fd = watched.at(i), .events = POLLIN, .revents = 0};
  fds[5].events = 0;  // its input is the program's; only its end is ours to know
  if (poll(fds.data(), fds.size(), wake_in_ms()) > 0) {
    if (fds[3].revents != 0) drain(out_, out_ring_);
    if (fds[4].revents != 0) drain(err_, err_ring_);
    if (fds[1].revents != 0) read_control();
    if (fds[2].revents != 0) accept_control();
    if (fds[0].revents != 0) read_signals();
    if (fds[5].revents != 0) {
      close_fd(watched_terminal_);
      state_.killed = 1;
      end_all(kHangupGraceUs);
    }
    report_output();
  }
  tick();
}

int Shim::wake_in_ms() const {
  std::int64_t wake = timeout_left_ < 0 ? -1 : counted_at_ + slice();
  const auto sooner = [&wake](std::int64_t at) { wake = wake < 0 ? at : std::min(wake, at); };
  if (ending_ == Ending::asked) sooner(force_at_);
  if (ending_ == Ending::forced) sooner(sweep_at_);
  if (wake < 0) return -1;
  return static_cast<int>(std::clamp<std::int64_t>((wake - now() + 999) / 1000, 0, 60'000));
}

void Shim::read_control() {
  Command command;
  while (control_ >= 0) {
    const ssize_t size = recv(control_, &command, sizeof command, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return lose_control();
    if (size == sizeof command) obey(command);
  }
}

void Shim::lose_control() {
  close_fd(control_);
  unseen_ = false;
  if (background()) return;  // the next agentd will find us
  state_.killed = 1;
  end_all(program_.request->grace_ms * 1000);
}

void Shim::accept_control() {
  const int fd = accept4(listen_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) {
    close(fd);
    return;
  }
  close_fd(control_);
  control_ = fd;
  unseen_ = false;
  report();
}

void Shim::obey(const Command& command) {
  switch (command.verb) {
    case Verb::signal:
      send_signal(static_cast<int>(command.a), static_cast<Target>(command.b));
      break;
    case Verb::kill:
      if (alive_) state_.killed = 1;
      end_all(std::max<std::int64_t>(command.value, 0) * 1000);
      break;
    case Verb::resize: {
      const winsize size{.ws_row = static_cast<unsigned short>(command.b),
                         .ws_col = static_cast<unsigned short>(command.a),
                         .ws_xpixel = 0,
                         .ws_ypixel = 0};
      if (terminal()) ioctl(input_, TIOCSWINSZ, &size);
      break;
    }
    case Verb::seen:
      unseen_ = false;
      break;
    case Verb::give_input:
      report(input_);
      break;
    case Verb::close_input:
      if (!terminal()) close_fd(input_);
      break;
  }
}

void Shim::send_signal(int number, Target target) {
  if (number == SIGKILL) sent_kill_ = true;
  pid_t foreground = -1;
  switch (target) {
    case Target::process:
      if (alive_) kill(state_.pid, number);
      break;
    case Target::group:
      if (terminal()) foreground = tcgetpgrp(input_);
      if (foreground > 0) {
        kill(-foreground, number);
      } else if (alive_) {  // its number is its own, and so is its group's
        kill(-state_.pid, number);
      } else {
        signal_group(state_.pid, number);
      }
      break;
    case Target::all:
      signal_all(number);
      break;
  }
}

void Shim::read_signals() {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGTERM || (info.ssi_signo == SIGUSR1 && in_pane())) {
      if (in_pane() && alive_) state_.killed = 1;
      end_all(info.ssi_signo == SIGTERM ? program_.request->grace_ms * 1000 : 0);
    }
  }
  reap();
}

void Shim::reap() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == state_.pid && alive_) program_ended(status);
  }
  none_left_ = pid < 0 && errno == ECHILD;
  if (alive_) return;
  if (none_left_) return finish();
  if (state_.phase != Phase::running) return;
  drain_all();
  state_.phase = Phase::ended;
  report();
  if (!background()) end_all(std::min(kLeftoverGraceUs, program_.request->grace_ms * 1000));
}

void Shim::program_ended(int status) {
  alive_ = false;
  state_.ended_us = clock_us(CLOCK_REALTIME);
  state_.duration_us = now() - started_at_;
  if (WIFEXITED(status)) state_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) {
    state_.signal = WTERMSIG(status);
    state_.core_dumped = WCOREDUMP(status) ? 1 : 0;
    if (state_.signal == SIGKILL && !sent_kill_ && ending_ == Ending::no) {
      state_.oom_killed = oom_kills() > ooms_ ? 1 : 0;
    }
  }
  if (terminal()) close(0);
}

/// Nobody is left: what they wrote last is in the pipes, and then this exec is over.
void Shim::finish() {
  drain_all();
  state_.phase = Phase::gone;
  report();
}

void Shim::end_all(std::int64_t grace_us) {
  const std::int64_t force_at = now() + grace_us;
  if (ending_ == Ending::no) {
    ending_ = Ending::asked;
    force_at_ = force_at;
    if (grace_us > 0) ask_to_end(alive_ ? state_.pid : 0);
    if (grace_us > 0 && in_pane()) signal_all(SIGHUP);  // an interactive shell takes no heed of TERM
  }
  force_at_ = std::min(force_at_, force_at);
}

void Shim::tick() {
  const std::int64_t time = now();
  if (timeout_left_ >= 0) count_timeout(time);
  if (ending_ == Ending::asked && time >= force_at_) {
    ending_ = Ending::forced;
    sweep_at_ = time;
    sweep_pause_ = kFirstSweepPauseUs;
  }
  if (ending_ == Ending::forced && time >= sweep_at_ && state_.phase != Phase::gone) {
    kill_all(alive_ ? state_.pid : 0);
    sweep_at_ = now() + sweep_pause_;
    sweep_pause_ = std::min(sweep_pause_ * 2, kMostSweepPauseUs);
  }
}

std::int64_t Shim::slice() const {
  return std::min(timeout_left_, std::clamp(timeout_left_ / 8, kShortestSliceUs, kLongestSliceUs));
}

void Shim::count_timeout(std::int64_t time) {
  timeout_left_ -= std::min(time - counted_at_, slice() + kSliceSlackUs);
  counted_at_ = time;
  if (timeout_left_ > 0 || state_.phase == Phase::gone) return;
  timeout_left_ = -1;
  if (alive_) state_.timed_out = state_.killed = 1;
  end_all(program_.request->grace_ms * 1000);
}

bool Shim::drain(int& fd, RingWriter& ring) {
  static std::array<std::byte, kReadBytes> buffer;
  for (int i = 0; fd >= 0 && i < kReadsARound; ++i) {
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return false;
    if (size <= 0) {
      close_fd(fd);
      return false;
    }
    ring.append(std::span(buffer).first(static_cast<std::size_t>(size)));
  }
  return fd >= 0;
}

void Shim::drain_all() {
  // A descendant that writes without end must not keep the program's end from being told: two pipes or terminals full
  // are certainly all that was there.
  for (int i = 0; i < 2 && drain(out_, out_ring_); ++i) {
  }
  for (int i = 0; i < 2 && drain(err_, err_ring_); ++i) {
  }
}

void Shim::report_output() {
  if (unseen_ || control_ < 0 || state_.phase == Phase::gone) return;
  if (out_ring_.end() == state_.out_end && err_ring_.end() == state_.err_end) return;
  unseen_ = true;
  report();
}

void Shim::report(int attach) {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  state_.user_us = microseconds(used.ru_utime);
  state_.system_us = microseconds(used.ru_stime);
  state_.max_rss_bytes = used.ru_maxrss * 1024;
  state_.out_end = out_ring_.end();
  state_.err_end = err_ring_.end();
  state_.has_input = input_ >= 0 ? 1 : 0;
  if (status_ >= 0 && pwrite(status_, &state_, sizeof state_, 0) < 0) {
    // The disk is full. The state stays here for who asks; after our end the exec counts as lost.
  }
  if (control_ < 0) return;
  iovec part{.iov_base = &state_, .iov_len = sizeof state_};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> extra{};
  if (attach >= 0) {
    message.msg_control = extra.data();
    message.msg_controllen = extra.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &attach, sizeof attach);
  }
  // Never waits: agentd gets few of these, and when it goes without reading them they are nobody's loss.
  sendmsg(control_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace swarm::agentd::shim
