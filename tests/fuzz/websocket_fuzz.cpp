// What strangers may send to a WebSocket: the same bytes give the same pieces however they are cut, and no control
// frame is longer than the standard allows.

#include <cstdio>
#include <cstdlib>

#include "protocol/websocket/frames.hpp"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

struct Taken {
  bool good = true;
  std::string bytes;
  std::vector<std::string> control;
};

Taken take(swarm::websocket::Side side, std::string_view text, std::size_t step) {
  using namespace swarm::websocket;
  swarm::SeededRandom random(1);
  Frames frames(side, random);
  Taken out;
  for (std::size_t at = 0; at < text.size() && out.good; at += step) {
    std::vector<Frames::Piece> pieces;
    out.good = frames.take(text.substr(at, step), pieces).has_value();
    for (const Frames::Piece& piece : pieces) {
      if (piece.opcode == Opcode::binary) {
        out.bytes += piece.payload;
      } else {
        require(piece.payload.size() <= 125, "a long control frame");
        out.control.push_back(piece.payload);
      }
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);  // NOLINT: bytes as characters
  for (const auto side : {swarm::websocket::Side::client, swarm::websocket::Side::server}) {
    const Taken whole = take(side, text, text.size() + 1);
    const Taken cut = take(side, text, 1);
    require(whole.good == cut.good, "a cut that changes whether a connection is good");
    require(whole.bytes == cut.bytes && whole.control == cut.control, "a cut that changes what came");
    require(whole.bytes.size() <= size, "bytes out of nothing");
  }
  return 0;
}
