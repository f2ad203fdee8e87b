#include "client/terminal/raw_mode.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>

namespace swarm::client {
namespace {

// For the signal handler alone, which can be given nothing: what to put back.
volatile sig_atomic_t g_raw_fd = -1;
termios g_before{};

constexpr std::array kFatal{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};

extern "C" void restore_and_die(int number) {
  if (g_raw_fd >= 0) ::tcsetattr(g_raw_fd, TCSANOW, &g_before);  // async-signal-safe (signal-safety(7))
  ::signal(number, SIG_DFL);
  ::raise(number);
}

}  // namespace

Result<std::unique_ptr<RawMode>> RawMode::enter(int fd) {
  termios before{};
  if (::tcgetattr(fd, &before) != 0) return fail_errno("read the terminal's mode", "");
  termios raw = before;
  ::cfmakeraw(&raw);
  std::unique_ptr<RawMode> mode(new RawMode(fd, before));
  // TCSADRAIN keeps what was typed ahead.
  if (::tcsetattr(fd, TCSADRAIN, &raw) != 0) return fail_errno("set the terminal's mode", "");
  return mode;
}

RawMode::RawMode(int fd, const termios& before) : fd_(fd), before_(before) {
  g_before = before;
  g_raw_fd = fd;
  for (const int number : kFatal) ::signal(number, restore_and_die);
}

RawMode::~RawMode() {
  ::tcsetattr(fd_, TCSADRAIN, &before_);
  g_raw_fd = -1;
  for (const int number : kFatal) ::signal(number, SIG_DFL);
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {.columns = std::clamp<std::uint32_t>(size.ws_col, 1, 1000),
          .rows = std::clamp<std::uint32_t>(size.ws_row, 1, 1000)};
}

}  // namespace swarm::client
