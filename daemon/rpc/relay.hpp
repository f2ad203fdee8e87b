#pragma once

#include <memory>

#include "protocol/async/task_set.hpp"
#include "protocol/wire/connection.hpp"

namespace swarm::rpc {

/// The streams of one call that is passed on: a stream of the client's connection for each of the tunnel's. Destroying
/// it ends them on both sides.
class Relay {
 public:
  Relay(async::Loop& loop, wire::Connection& client, wire::Connection& agent)
      : client_(client), agent_(agent), inputs_(loop), outputs_(loop) {}

  /// Connects the client's stream `id` to a new one of the tunnel, and gives that one's id.
  Result<std::uint32_t> from_caller(std::uint32_t id);
  Result<std::uint32_t> to_caller(std::uint32_t id);

  /// Completes when everything that the sandbox sends has been passed on.
  async::Task<> outputs_done() { return outputs_.join(); }
  /// Completes when every stream has ended.
  async::Task<> all_done();
  /// No stream is open.
  [[nodiscard]] bool idle() const { return inputs_.size() + outputs_.size() == 0; }

 private:
  wire::Connection& client_;
  wire::Connection& agent_;
  async::TaskSet inputs_;
  async::TaskSet outputs_;
};

}  // namespace swarm::rpc
