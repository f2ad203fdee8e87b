#include "protocol/transport/unix.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/async/timer.hpp"

namespace swarm::transport {
namespace {

std::optional<PeerCredentials> credentials(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid == 0) return std::nullopt;
  return PeerCredentials{.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  if (path.empty() || path.size() > kMaxSocketPath || path.find('\0') != std::string::npos) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' cannot be a socket path: it has {} bytes and the kernel takes 1 to {}; "
                            "choose a shorter one with SWARMD_SOCKET",
                            path, path.size(), kMaxSocketPath));
  }
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);  // NOLINT: the socket API's own cast
}

}  // namespace

FdStream::FdStream(async::Loop& loop, UniqueFd fd) : fd_(loop, std::move(fd)), peer_(credentials(fd_.get())) {}

async::Task<> FdStream::writable() { co_await fd_.writable(); }

async::Task<> FdStream::gone() { co_await fd_.disconnected(); }

void FdStream::shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }

void FdStream::break_off() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::string FdStream::describe() const {
  return peer_ ? fmt::format("unix socket, pid {}", peer_->pid) : std::string("stream");
}

UnixListener::UnixListener(async::Loop& loop, UniqueFd fd)
    : loop_(loop), fd_(std::move(fd)), watcher_(loop, fd_.get()) {
  const int flags = fcntl(fd_.get(), F_GETFL);
  if (flags >= 0) fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK);
}

async::Task<Result<std::unique_ptr<FdStream>>> UnixListener::accept() {
  for (;;) {
    UniqueFd connection(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) co_return std::make_unique<FdStream>(loop_, std::move(connection));
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN) co_return fail_errno("accept", "");
    co_await watcher_.readable();
  }
}

Result<UniqueFd> bind_unix(const std::string& path, mode_t mode) {
  const Result<sockaddr_un> address = address_of(path);
  if (!address) return fail(address.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", "");
  if (::bind(fd.get(), generic(*address), sizeof *address) != 0) return fail_errno("bind", path);
  // Before listen: nobody can connect with the umask's mode.
  if (::chmod(path.c_str(), mode) != 0) return fail_errno("chmod", path);
  if (::listen(fd.get(), SOMAXCONN) != 0) return fail_errno("listen", path);
  return fd;
}

async::Task<Result<std::unique_ptr<FdStream>>> connect_unix(async::Loop& loop, std::string path) {
  const Result<sockaddr_un> address = address_of(path);
  if (!address) co_return fail(address.error());
  for (;;) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) co_return fail_errno("socket", "");
    if (::connect(fd.get(), generic(*address), sizeof *address) == 0) {
      co_return std::make_unique<FdStream>(loop, std::move(fd));
    }
    if (errno == EAGAIN) {  // the listener's backlog is full: a Unix socket does not queue us, so ask again
      co_await async::sleep_for(loop, std::chrono::milliseconds(1));
      continue;
    }
    if (errno != EINTR) co_return fail_errno("connect", path);
  }
}

Result<std::pair<UniqueFd, UniqueFd>> socket_pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) != 0) {
    return fail_errno("socketpair", "");
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

}  // namespace swarm::transport
