#include "protocol/wire/output.hpp"

namespace swarm::wire {
namespace {

// An idle connection keeps no more than this; thousands of them are open at a time.
constexpr std::size_t kKeptCapacity = std::size_t{16} << 10U;
// Bytes that are gone are cut off when they are at least this many and half of the buffer.
constexpr std::size_t kCutBytes = std::size_t{64} << 10U;

}  // namespace

Output::Output(async::Loop& loop, transport::Stream& stream, std::function<void(Error)> broken)
    : loop_(loop), stream_(stream), broken_(std::move(broken)), stuck_(loop), progress_(loop) {}

void Output::flush_soon() {
  if (!flush_later_.linked()) loop_.make_ready(flush_later_);
}

void Output::flush() {
  flush_later_.unlink();
  if (waiting_ || dead_ || size() == 0) return;
  const std::span<const char> rest = std::span(buffer_).subspan(written_);
  const Result<std::size_t> taken = stream_.try_write(std::as_bytes(rest));
  if (!taken) {
    give_up(taken.error());
    return;
  }
  written_ += *taken;
  if (size() == 0) {
    written_ = 0;
    buffer_.clear();
    if (buffer_.capacity() > kKeptCapacity) buffer_.shrink_to_fit();
  } else {
    if (written_ >= kCutBytes && written_ >= buffer_.size() / 2) {
      buffer_.erase(0, written_);
      written_ = 0;
    }
    waiting_ = true;
    stuck_.set();
  }
  progress_.notify_all();
}

async::Task<> Output::run() {
  while (!dead_) {
    co_await stuck_.wait();
    stuck_.reset();
    if (dead_) co_return;
    co_await stream_.writable();
    waiting_ = false;
    flush();
  }
}

void Output::discard() {
  dead_ = true;
  flush_later_.unlink();
  buffer_ = std::string();
  written_ = 0;
  stuck_.set();
  progress_.notify_all();
}

void Output::give_up(Error error) {
  discard();
  broken_(std::move(error));
}

}  // namespace swarm::wire
