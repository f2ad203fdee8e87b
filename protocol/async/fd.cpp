#include "protocol/async/fd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "protocol/async/blocking.hpp"

namespace swarm::async {
namespace {

// Consecutive operations that finish at once before a stream yields: a firehose must not starve the rest of the loop.
constexpr int kOperationsARound = 16;

uv_handle_t* base(uv_poll_t* poll) { return reinterpret_cast<uv_handle_t*>(poll); }  // NOLINT: libuv's own way

/// A duplicate that thread-pool work can own, since the stream may go before the work is back.
std::shared_ptr<UniqueFd> duplicate(int fd) { return std::make_shared<UniqueFd>(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

}  // namespace

FdWatcher::FdWatcher(Loop& loop, int fd) : loop_(loop) {
  auto poll = std::make_unique<uv_poll_t>();
  if (uv_poll_init(loop.raw(), poll.get(), fd) != 0) return;  // EPERM: a regular file
  poll_ = poll.release();
  poll_->data = this;
}

FdWatcher::~FdWatcher() {
  if (poll_ == nullptr) return;
  poll_->data = nullptr;
  uv_close(base(poll_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });  // NOLINT
}

void FdWatcher::arm(int events) {
  if (events == armed_) return;
  armed_ = events;
  if (events == 0) {
    uv_poll_stop(poll_);
    return;
  }
  uv_poll_start(poll_, events, [](uv_poll_t* poll, int status, int happened) {
    if (poll->data != nullptr) static_cast<FdWatcher*>(poll->data)->on_events(status, happened);
  });
}

void FdWatcher::on_events(int status, int events) {
  if (status < 0) {
    // libuv reports EPOLLERR this way and has stopped the handle. Whoever waits finds out from its own system call.
    armed_ = 0;
    events = UV_READABLE | UV_WRITABLE | UV_DISCONNECT;
  }
  int keep = armed_;
  const auto wake = [&](int event, WaitList& list) {
    if ((events & event) == 0) return;
    // The descriptor stays armed while somebody reads steadily; only an event that nobody waits for disarms it. That
    // saves an epoll_ctl each time round.
    if (list.empty()) keep &= ~event;
    while (Waiter* waiter = list.pop_front()) loop_.make_ready(*waiter);
  };
  wake(UV_READABLE, readers_);
  wake(UV_WRITABLE, writers_);
  wake(UV_DISCONNECT, disconnected_);
  // Writability is level-triggered and nearly always true, and a peer that has gone stays gone: never leave these
  // armed.
  if ((events & UV_WRITABLE) != 0) keep &= ~UV_WRITABLE;
  if ((events & UV_DISCONNECT) != 0) keep &= ~UV_DISCONNECT;
  if (status >= 0) arm(keep);
}

Fd::Fd(Loop& loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)), watcher_(loop, fd_.get()) {
  const int flags = fcntl(fd_.get(), F_GETFL);
  if (flags >= 0) fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK);
}

bool Fd::over_share() {
  if (share_round_ != loop_.round()) {
    share_round_ = loop_.round();
    share_used_ = 0;
  }
  return ++share_used_ > kOperationsARound;
}

Task<Result<std::size_t>> Fd::read(std::span<std::byte> into) {
  if (!watcher_.watchable()) {
    struct Got {
      ssize_t size;
      int error;
      std::vector<std::byte> bytes;
    };
    auto fd = duplicate(fd_.get());
    Got got = co_await run_blocking(loop_, [fd, size = into.size()] {
      Got result{.size = 0, .error = 0, .bytes = std::vector<std::byte>(size)};
      result.size = ::read(fd->get(), result.bytes.data(), size);
      result.error = errno;
      return result;
    });
    if (got.size < 0) co_return fail_errno("read", "", got.error);
    std::ranges::copy(std::span(got.bytes).first(static_cast<std::size_t>(got.size)), into.begin());
    co_return static_cast<std::size_t>(got.size);
  }
  if (over_share()) co_await loop_.give_way();
  // After a read that did not fill its buffer there is most likely nothing more: ask the kernel for readiness, which is
  // level-triggered, rather than for an EAGAIN first.
  if (std::exchange(drained_, false)) co_await watcher_.readable();
  for (;;) {
    const ssize_t size = ::read(fd_.get(), into.data(), into.size());
    drained_ = size > 0 && static_cast<std::size_t>(size) < into.size();
    if (size >= 0) co_return static_cast<std::size_t>(size);
    if (errno == EIO) co_return std::size_t{0};  // the terminal's last slave is closed
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return fail_errno("read", "");
    co_await watcher_.readable();
  }
}

Result<std::size_t> Fd::try_write(std::span<const std::byte> bytes) {
  for (;;) {
    ssize_t size = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == ENOTSOCK) size = ::write(fd_.get(), bytes.data(), bytes.size());
    if (size >= 0) return static_cast<std::size_t>(size);
    if (errno == EAGAIN) return std::size_t{0};
    if (errno != EINTR) return fail_errno("write", "");
  }
}

Task<Result<void>> Fd::write(std::span<const std::byte> bytes) {
  if (!watcher_.watchable()) {
    auto fd = duplicate(fd_.get());
    const int error = co_await run_blocking(loop_, [fd, data = std::vector<std::byte>(bytes.begin(), bytes.end())] {
      for (std::span<const std::byte> rest(data); !rest.empty();) {
        const ssize_t size = ::write(fd->get(), rest.data(), rest.size());
        if (size < 0 && errno != EINTR) return errno;
        if (size > 0) rest = rest.subspan(static_cast<std::size_t>(size));
      }
      return 0;
    });
    if (error != 0) co_return fail_errno("write", "", error);
    co_return {};
  }
  while (!bytes.empty()) {
    if (over_share()) co_await loop_.give_way();
    const Result<std::size_t> taken = try_write(bytes);
    if (!taken) co_return fail(taken.error());
    bytes = bytes.subspan(*taken);
    if (*taken == 0) co_await watcher_.writable();
  }
  co_return {};
}

}  // namespace swarm::async
