#pragma once

#include <optional>

#include "agentd/exec/shim/protocol.hpp"
#include "protocol/async/fd.hpp"

namespace swarm::agentd {

/// A state that a shim reported, with the descriptor that came along.
struct ShimReport {
  shim::State state;
  UniqueFd input;
};

/// agentd's end of the socket to one shim.
class ShimChannel {
 public:
  ShimChannel(async::Loop& loop, UniqueFd socket);

  /// The next report; nothing when the shim has ended.
  async::Task<std::optional<ShimReport>> receive();

  /// Never waits. A shim that has ended, or does not listen, is no error: its end is told by `receive`.
  void send(const shim::Command& command);

 private:
  UniqueFd socket_;
  async::FdWatcher watcher_;
};

}  // namespace swarm::agentd
