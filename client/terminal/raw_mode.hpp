#pragma once

#include <termios.h>

#include <memory>

#include "protocol/core/error.hpp"

namespace swarm::client {

/// A terminal in raw mode: every key goes to the program, and nothing is echoed here. It gets its old mode back when
/// this object goes, and also when a signal ends the process that no code of ours sees (SEGV, ABRT, ...). SIGKILL
/// alone leaves it as it is. At most one at a time.
class RawMode {
 public:
  /// `fd` is a terminal.
  static Result<std::unique_ptr<RawMode>> enter(int fd);
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode();

 private:
  RawMode(int fd, const termios& before);
  int fd_;
  termios before_;
};

struct TerminalSize {
  std::uint32_t columns = 80;
  std::uint32_t rows = 24;
  bool operator==(const TerminalSize&) const = default;
};

/// The size of the terminal at `fd`, kept within what programs can be given (1 to 1000).
TerminalSize terminal_size(int fd);

}  // namespace swarm::client
