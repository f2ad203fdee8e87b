#pragma once

#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/transport/stream.hpp"
#include "protocol/websocket/frames.hpp"
#include "protocol/websocket/handshake.hpp"

namespace swarm::websocket {

/// Proxies forget what is silent for minutes, NATs sooner, and a frozen peer says nothing at all.
struct Pings {
  Duration every = std::chrono::seconds(20);
  Duration silence = std::chrono::seconds(50);  ///< nothing for so long, pongs included: the other side is gone
};

/// The bytes of a WebSocket's binary messages as one stream; where messages begin and end means nothing.
class WebSocketStream final : public transport::Stream {
 public:
  /// After the handshake. `loop` and `random` outlive it.
  WebSocketStream(async::Loop& loop, Side side, Opened opened, Random& random, Pings pings = {});
  ~WebSocketStream() override;

  async::Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  Result<std::size_t> try_write(std::span<const std::byte> bytes) override;
  async::Task<> writable() override;
  async::Task<> gone() override;
  /// Sends a close frame: WebSockets have no half-closed state, so the other side ends too.
  void shutdown_write() override;
  void break_off() override { inner_->break_off(); }
  [[nodiscard]] std::string describe() const override;

 private:
  async::Task<> receive();
  async::Task<> send();
  async::Task<> ping();
  bool take(std::string_view bytes);
  void handle(Frames::Piece piece);
  void put(Opcode opcode, std::span<const std::byte> payload);
  void broke(Error error);

  async::Loop& loop_;
  std::unique_ptr<transport::Stream> inner_;
  Frames frames_;
  Pings pings_;
  std::string first_;    ///< came with the handshake
  std::string arrived_;  ///< payload that nobody has read
  std::size_t read_ = 0;
  std::string outgoing_;
  bool ended_ = false;  ///< by a close frame, or the end of the stream below
  bool closing_ = false;
  std::optional<Error> broken_;
  MonoTime heard_;
  bool held_up_ = false;  ///< nobody reads here, so nothing is heard
  async::Condition changed_;
  async::Condition to_send_;
  async::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace swarm::websocket
