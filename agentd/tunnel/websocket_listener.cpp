#include "agentd/tunnel/websocket_listener.hpp"

namespace swarm::agentd {
namespace {

using namespace std::chrono_literals;

// Strangers who connect and say nothing hold one of these for a moment each; more of them wait in the backlog.
constexpr std::size_t kHandshakesMost = 64;
constexpr Duration kPatience = 5s;
constexpr Duration kAcceptPause = 100ms;

}  // namespace

WebSocketListener::WebSocketListener(async::Loop& loop, std::unique_ptr<transport::TcpListener> listener,
                                     Random& random)
    : loop_(loop), random_(random), listener_(std::move(listener)), arrived_(loop, 16), tasks_(loop) {
  tasks_.spawn(serve());
}

Result<std::unique_ptr<WebSocketListener>> WebSocketListener::listen(async::Loop& loop, std::uint16_t port,
                                                                     Random& random) {
  auto listener = transport::TcpListener::listen(loop, {.host = "0.0.0.0", .port = port}, transport::Reach::anywhere);
  if (!listener) return fail(listener.error(), "tunnel");
  return std::unique_ptr<WebSocketListener>(new WebSocketListener(loop, std::move(*listener), random));
}

async::Task<> WebSocketListener::serve() {
  for (;;) {
    auto accepted = co_await listener_->accept();
    if (!accepted) {
      co_await async::sleep_for(loop_, kAcceptPause);  // out of descriptors
      continue;
    }
    tasks_.spawn(welcome(std::move(accepted->stream)));
    while (tasks_.size() > kHandshakesMost) co_await async::sleep_for(loop_, kAcceptPause);
  }
}

async::Task<> WebSocketListener::welcome(std::unique_ptr<transport::Stream> stream) {
  Result<websocket::Opened> opened = co_await async::with_timeout(
      loop_, websocket::answer(std::move(stream), kTunnelPath), kPatience, "a WebSocket handshake");
  if (!opened) co_return;  // it was told, if it can be told anything
  const bool taken = co_await arrived_.send(
      std::make_unique<websocket::WebSocketStream>(loop_, websocket::Side::server, std::move(*opened), random_));
  static_cast<void>(taken);
}

async::Task<Result<std::unique_ptr<transport::Stream>>> WebSocketListener::accept() {
  auto stream = co_await arrived_.receive();
  if (!stream) co_return fail(Code::cancelled, "nobody listens any more");
  co_return std::move(*stream);
}

}  // namespace swarm::agentd
