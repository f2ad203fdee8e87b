#pragma once
// WebSocket frames (RFC 6455, section 5) without a connection. libwslay reads and writes headers and masks; its
// frame-level interface hands payloads on as they come, so a stream of bytes needs no message to be whole.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "protocol/core/error.hpp"
#include "protocol/core/random.hpp"

namespace swarm::websocket {

enum class Side { client, server };  ///< clients mask what they send, servers must not

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

class Frames {
 public:
  /// `random` outlives it.
  Frames(Side side, Random& random);
  Frames(const Frames&) = delete;
  Frames& operator=(const Frames&) = delete;
  ~Frames();

  /// One whole frame as bytes, appended to `out`.
  void seal(Opcode opcode, std::span<const std::byte> payload, std::string& out);

  /// A piece of what came: of a binary message, or a whole control frame.
  struct Piece {
    Opcode opcode = Opcode::binary;
    std::string payload;
  };

  /// Takes bytes from the connection and appends what they hold to `pieces`. `invalid_argument` for what the standard
  /// forbids, for text, and for extensions that nobody agreed on; the connection is of no use then.
  Result<void> take(std::string_view bytes, std::vector<Piece>& pieces);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace swarm::websocket
