#pragma once

#include "agentd/tunnel/path.hpp"
#include "protocol/async/channel.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/transport/tcp.hpp"
#include "protocol/websocket/stream.hpp"

namespace swarm::agentd {

/// Tunnels where the daemon reaches the sandbox through a proxy that speaks HTTP: WebSockets on a TCP port. Anybody may
/// connect there; who it is comes out in the tunnel's own handshake.
class WebSocketListener {
 public:
  /// Listens on all addresses: what is on 127.0.0.1 alone, E2B's proxy finds a second later. `random` outlives it.
  static Result<std::unique_ptr<WebSocketListener>> listen(async::Loop& loop, std::uint16_t port, Random& random);

  /// The next WebSocket.
  async::Task<Result<std::unique_ptr<transport::Stream>>> accept();

  [[nodiscard]] std::uint16_t port() const { return listener_->address().port; }

 private:
  WebSocketListener(async::Loop& loop, std::unique_ptr<transport::TcpListener> listener, Random& random);
  async::Task<> serve();
  async::Task<> welcome(std::unique_ptr<transport::Stream> stream);

  async::Loop& loop_;
  Random& random_;
  std::unique_ptr<transport::TcpListener> listener_;
  async::Channel<std::unique_ptr<transport::Stream>> arrived_;
  async::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace swarm::agentd
