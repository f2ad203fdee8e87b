#include "agentd/exec/pump.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace swarm::agentd {
namespace {

constexpr std::size_t kChunkBytes = 65536;
constexpr int kReadsARound = 16;  // then others on the loop have their turn

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

OutputPump::OutputPump(async::Loop& loop, UniqueFd from, std::unique_ptr<wire::ByteSink> to, Kind kind,
                       std::uint64_t& count)
    : loop_(loop), from_(std::move(from)), to_(std::move(to)), kind_(kind), count_(count) {
  set_nonblocking(from_.get());
  watcher_.emplace(loop, from_.get());
}

void OutputPump::last() {
  last_ = true;
  if (watcher_) watcher_->wake_readers();
}

async::Task<> OutputPump::run() {
  std::vector<std::byte> buffer(kChunkBytes);
  for (int reads = 0;; ++reads) {
    const ssize_t size = ::read(from_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) {
      if (last_) break;
      co_await watcher_->readable();
      reads = 0;
      continue;
    }
    if (size <= 0) break;  // EIO is a terminal's end
    count_ += static_cast<std::uint64_t>(size);
    if (reads >= kReadsARound) {
      co_await loop_.give_way();
      reads = 0;
    }
    if (to_ == nullptr) continue;
    const Result<void> sent = co_await to_->write(std::span(buffer).first(static_cast<std::size_t>(size)));
    if (sent) continue;
    to_.reset();
    if (kind_ == Kind::pipe) break;
  }
  watcher_.reset();
  from_.reset();
  if (to_ != nullptr) to_->end();
}

async::Task<InputResult> pump_input(async::Loop& loop, std::unique_ptr<wire::ByteSource> from, UniqueFd to) {
  async::Fd fd(loop, std::move(to));
  for (;;) {
    const Result<std::optional<std::string>> chunk = co_await from->read();
    if (!chunk) co_return InputResult::broken;
    if (!*chunk) break;
    const Result<void> written = co_await fd.write(std::as_bytes(std::span(**chunk)));
    if (!written) co_return InputResult::closed;
  }
  termios settings{};
  if (tcgetattr(fd.get(), &settings) == 0 && (settings.c_lflag & ICANON) != 0) {
    const auto end = static_cast<std::byte>(settings.c_cc[VEOF]);
    const Result<void> written = co_await fd.write(std::span(&end, 1));
    if (!written) co_return InputResult::closed;
  }
  co_return InputResult::ended;
}

}  // namespace swarm::agentd
