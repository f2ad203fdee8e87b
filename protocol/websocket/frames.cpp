#include "protocol/websocket/frames.hpp"

#include <fmt/format.h>
#include <wslay/wslay.h>

#include <cstdlib>

#include "protocol/core/deleter.hpp"

namespace swarm::websocket {
namespace {

// Control frames hold no more (RFC 6455, section 5.5).
constexpr std::size_t kControlMost = 125;

constexpr std::size_t kPieceMost = std::size_t{64} << 10U;

bool is_control(std::uint8_t opcode) { return opcode >= 8; }

std::unexpected<Error> violation(std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("the other side breaks the WebSocket protocol: {}", what));
}

}  // namespace

struct Frames::Context {
  Side side;
  Random& random;
  std::string_view input;         // what recv_callback still may hand out
  std::string* output = nullptr;  // where send_callback appends
  CPtr<wslay_frame_context, wslay_frame_context_free> wslay;
  std::uint64_t left = 0;  // of the frame under way
  bool in_frame = false;
  std::uint8_t opcode = 0;  // of it
  bool in_message = false;  // continuation frames may follow
  std::string control;      // payload of a control frame so far

  static ssize_t send(const std::uint8_t* data, std::size_t size, int, void* self) {
    static_cast<Context*>(self)->output->append(reinterpret_cast<const char*>(data), size);  // NOLINT: bytes
    return static_cast<ssize_t>(size);
  }
  static ssize_t receive(std::uint8_t* into, std::size_t size, int, void* self) {
    std::string_view& input = static_cast<Context*>(self)->input;
    const std::size_t taken = std::min(size, input.size());
    if (taken == 0) return -1;
    std::memcpy(into, input.data(), taken);
    input.remove_prefix(taken);
    return static_cast<ssize_t>(taken);
  }
  static int mask(std::uint8_t* into, std::size_t size, void* self) {
    static_cast<Context*>(self)->random.fill(std::as_writable_bytes(std::span(into, size)));
    return 0;
  }
};

Frames::Frames(Side side, Random& random) : context_(new Context{.side = side, .random = random}) {
  const wslay_frame_callbacks callbacks{
      .send_callback = &Context::send, .recv_callback = &Context::receive, .genmask_callback = &Context::mask};
  wslay_frame_context* made = nullptr;
  if (wslay_frame_context_init(&made, &callbacks, context_.get()) != 0) std::abort();  // out of memory
  context_->wslay.reset(made);
}

Frames::~Frames() = default;

void Frames::seal(Opcode opcode, std::span<const std::byte> payload, std::string& out) {
  context_->output = &out;
  wslay_frame_iocb frame{.fin = 1,
                         .rsv = 0,
                         .opcode = static_cast<std::uint8_t>(opcode),
                         .payload_length = payload.size(),
                         .mask = context_->side == Side::client ? std::uint8_t{1} : std::uint8_t{0},
                         .data = reinterpret_cast<const std::uint8_t*>(payload.data()),  // NOLINT: bytes
                         .data_length = payload.size()};
  do {
    const ssize_t sent = wslay_frame_send(context_->wslay.get(), &frame);
    if (sent < 0) std::abort();  // our callback takes everything and the frame is well formed
    frame.data += sent;
    frame.data_length -= static_cast<std::size_t>(sent);
  } while (frame.data_length > 0);
}

Result<void> Frames::take(std::string_view bytes, std::vector<Piece>& pieces) {
  Context& now = *context_;
  now.input = bytes;
  for (;;) {
    wslay_frame_iocb frame{};
    const ssize_t got = wslay_frame_recv(now.wslay.get(), &frame);
    if (got == WSLAY_ERR_WANT_READ) return {};
    if (got < 0) return violation("a malformed frame");
    if (!now.in_frame) {
      if (frame.rsv != 0) return violation("an extension that was not agreed on");
      if ((frame.mask != 0) != (now.side == Side::server)) {
        return violation(now.side == Side::server ? "a client's frame without a mask" : "a server's frame with a mask");
      }
      now.opcode = frame.opcode;
      now.left = frame.payload_length;
      now.in_frame = true;
      if (is_control(now.opcode)) {
        if (now.opcode > WSLAY_PONG) return violation("an unknown kind of frame");
        if (frame.fin == 0 || now.left > kControlMost) return violation("a control frame in parts or too long");
        now.control.clear();
      } else {
        if (now.opcode == WSLAY_TEXT_FRAME) return violation("text where only binary messages are understood");
        if (now.opcode > WSLAY_BINARY_FRAME) return violation("an unknown kind of frame");
        if ((now.opcode == WSLAY_CONTINUATION_FRAME) != now.in_message) {
          return violation(now.in_message ? "a message within a message" : "the rest of no message");
        }
        now.in_message = frame.fin == 0;
      }
    }
    const std::string_view payload(reinterpret_cast<const char*>(frame.data), frame.data_length);  // NOLINT: bytes
    now.left -= payload.size();
    if (is_control(now.opcode)) {
      now.control += payload;
    } else if (!payload.empty()) {
      if (pieces.empty() || pieces.back().opcode != Opcode::binary || pieces.back().payload.size() >= kPieceMost) {
        pieces.push_back({.opcode = Opcode::binary});
      }
      pieces.back().payload += payload;
    }
    if (now.left > 0) continue;
    now.in_frame = false;
    if (is_control(now.opcode)) {
      pieces.push_back({.opcode = static_cast<Opcode>(now.opcode), .payload = std::move(now.control)});
    }
  }
}

}  // namespace swarm::websocket
