#pragma once
// Whether a program computes or waits. One that computes has not ignored a key that it did not answer yet: to turn a
// pasted 64 KiB in takes some programs half a second of processor time, which is ten on a machine with much else to do.

#include <sys/types.h>

#include "protocol/core/clock.hpp"

namespace swarm::agentd::panes {

/// Watches the threads of one process in /proc. What a process of another number does for it is not seen.
class Labour {
 public:
  Labour(pid_t pid, MonoTime now) : pid_(pid), worked_(now) {}

  /// Looks at it now.
  void look(MonoTime now);

  /// For how long it was seen to do nothing.
  [[nodiscard]] Duration idle(MonoTime now) const { return now - worked_; }

 private:
  pid_t pid_;
  MonoTime worked_;
  unsigned long long ticks_ = 0;
};

}  // namespace swarm::agentd::panes
