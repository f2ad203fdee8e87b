#pragma once

#include "protocol/async/event.hpp"

namespace swarm::async {

/// Receives one signal of this process. Signals that arrive while nobody waits are counted, not lost.
class SignalWatcher {
 public:
  SignalWatcher(Loop& loop, int number);
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;
  ~SignalWatcher();

  /// Completes when the signal has arrived once more.
  Task<> next();

 private:
  Condition arrived_;
  uv_signal_t* handle_;  // freed by libuv's close callback
  unsigned pending_ = 0;
};

}  // namespace swarm::async
