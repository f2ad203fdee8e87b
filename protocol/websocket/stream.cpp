#include "protocol/websocket/stream.hpp"

namespace swarm::websocket {
namespace {

constexpr std::size_t kArrivedMost = std::size_t{256} << 10U;
constexpr std::size_t kOutgoingMost = std::size_t{256} << 10U;
constexpr std::size_t kFrameMost = std::size_t{64} << 10U;
constexpr std::size_t kReadSize = std::size_t{64} << 10U;
// While little comes: there may be thousands of these that wait.
constexpr std::size_t kIdleReadSize = std::size_t{4} << 10U;

// Pongs wait behind data that is not taken; who pings faster than it reads gets no more of them.
constexpr std::size_t kPongsMost = std::size_t{8} << 10U;

constexpr std::array<std::byte, 2> kNormalClosure = {std::byte{0x03}, std::byte{0xE8}};  // 1000

}  // namespace

WebSocketStream::WebSocketStream(async::Loop& loop, Side side, Opened opened, Random& random, Pings pings)
    : loop_(loop),
      inner_(std::move(opened.stream)),
      frames_(side, random),
      pings_(pings),
      first_(std::move(opened.rest)),
      heard_(loop.clock().now()),
      changed_(loop),
      to_send_(loop),
      tasks_(loop) {
  tasks_.spawn(receive());
  tasks_.spawn(send());
  tasks_.spawn(ping());
}

WebSocketStream::~WebSocketStream() { tasks_.cancel_all(); }

async::Task<> WebSocketStream::receive() {
  if (!take(std::exchange(first_, {}))) co_return;
  std::vector<std::byte> buffer(kIdleReadSize);
  while (!ended_ && !broken_) {
    while (arrived_.size() - read_ >= kArrivedMost) {
      held_up_ = true;
      co_await changed_.wait();
    }
    if (std::exchange(held_up_, false)) heard_ = loop_.clock().now();
    const Result<std::size_t> got = co_await inner_->read(buffer);
    if (!got) {
      broke(got.error());
      co_return;
    }
    if (*got == 0) {
      ended_ = true;
      changed_.notify_all();
      co_return;
    }
    heard_ = loop_.clock().now();
    const bool good = take({reinterpret_cast<const char*>(buffer.data()), *got});  // NOLINT: bytes as characters
    if (!good) co_return;
    const std::size_t wanted = *got == buffer.size() ? kReadSize : *got < kIdleReadSize ? kIdleReadSize : buffer.size();
    if (wanted != buffer.size()) buffer = std::vector<std::byte>(wanted);
  }
}

bool WebSocketStream::take(std::string_view bytes) {
  std::vector<Frames::Piece> pieces;
  const Result<void> taken = frames_.take(bytes, pieces);
  for (Frames::Piece& piece : pieces) handle(std::move(piece));
  if (!taken) broke(taken.error());
  return taken.has_value();
}

void WebSocketStream::handle(Frames::Piece piece) {
  switch (piece.opcode) {
    case Opcode::ping:
      if (outgoing_.size() < kOutgoingMost + kPongsMost) put(Opcode::pong, std::as_bytes(std::span(piece.payload)));
      break;
    case Opcode::close:
      if (!std::exchange(closing_, true)) put(Opcode::close, kNormalClosure);
      ended_ = true;
      changed_.notify_all();
      break;
    case Opcode::binary:
      if (ended_) break;
      if (read_ == arrived_.size()) arrived_.erase(0, std::exchange(read_, 0));
      arrived_ += piece.payload;
      changed_.notify_all();
      break;
    default:
      break;  // a pong: that something came was noted
  }
}

async::Task<Result<std::size_t>> WebSocketStream::read(std::span<std::byte> into) {
  for (;;) {
    if (read_ < arrived_.size()) {
      const std::size_t size = std::min(into.size(), arrived_.size() - read_);
      std::memcpy(into.data(), arrived_.data() + read_, size);
      read_ += size;
      if (read_ >= kArrivedMost) arrived_.erase(0, std::exchange(read_, 0));
      if (held_up_) changed_.notify_all();
      co_return size;
    }
    if (broken_) co_return fail(*broken_);
    if (ended_) co_return std::size_t{0};
    co_await changed_.wait();
  }
}

void WebSocketStream::put(Opcode opcode, std::span<const std::byte> payload) {
  frames_.seal(opcode, payload, outgoing_);
  to_send_.notify_all();
}

Result<std::size_t> WebSocketStream::try_write(std::span<const std::byte> bytes) {
  if (broken_) return fail(*broken_);
  if (closing_ || ended_) return fail(Code::unavailable, describe() + " has ended");
  std::size_t taken = 0;
  while (taken < bytes.size() && outgoing_.size() < kOutgoingMost) {
    const auto piece = bytes.subspan(taken, std::min(bytes.size() - taken, kFrameMost));
    put(Opcode::binary, piece);
    taken += piece.size();
  }
  return taken;
}

async::Task<> WebSocketStream::writable() {
  while (outgoing_.size() >= kOutgoingMost && !broken_ && !ended_) co_await changed_.wait();
}

async::Task<> WebSocketStream::send() {
  while (!broken_) {
    if (outgoing_.empty()) {
      co_await to_send_.wait();
      continue;
    }
    std::string batch = std::exchange(outgoing_, {});
    changed_.notify_all();  // there is room while this one goes out
    const Result<void> sent = co_await transport::write_all(*inner_, std::as_bytes(std::span(batch)));
    if (!sent) {
      broke(sent.error());
      co_return;
    }
  }
}

async::Task<> WebSocketStream::ping() {
  while (!broken_ && !ended_) {
    co_await async::sleep_for(loop_, pings_.every);
    if (broken_ || ended_) co_return;
    if (!held_up_ && loop_.clock().now() - heard_ >= pings_.silence) {
      broke({.code = Code::unavailable,
             .message = describe() + ": nothing was heard for " + async::format_duration(pings_.silence),
             .retryable = true});
      co_return;
    }
    if (outgoing_.size() < kOutgoingMost) put(Opcode::ping, {});
  }
}

void WebSocketStream::broke(Error error) {
  if (broken_) return;
  broken_ = std::move(error);
  changed_.notify_all();
  to_send_.notify_all();
}

async::Task<> WebSocketStream::gone() {
  while (!broken_ && !ended_) co_await changed_.wait();
}

void WebSocketStream::shutdown_write() {
  if (!std::exchange(closing_, true)) put(Opcode::close, kNormalClosure);
}

std::string WebSocketStream::describe() const { return "websocket over " + inner_->describe(); }

}  // namespace swarm::websocket
