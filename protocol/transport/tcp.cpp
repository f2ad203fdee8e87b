#include "protocol/transport/tcp.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "protocol/async/blocking.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::transport {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* generic() const {
    return reinterpret_cast<const sockaddr*>(&storage);  // NOLINT: the socket API's own cast
  }
  [[nodiscard]] int family() const { return storage.ss_family; }

  [[nodiscard]] bool loopback() const {
    if (family() == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, &storage, sizeof in);
      return ntohl(in.sin_addr.s_addr) >> 24U == 127;
    }
    sockaddr_in6 in6{};
    std::memcpy(&in6, &storage, sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
  }

  [[nodiscard]] TcpAddress readable() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (family() == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, &storage, sizeof in);
      ::inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
      return {.host = text.data(), .port = ntohs(in.sin_port)};
    }
    sockaddr_in6 in6{};
    std::memcpy(&in6, &storage, sizeof in6);
    ::inet_ntop(AF_INET6, &in6.sin6_addr, text.data(), text.size());
    return {.host = text.data(), .port = ntohs(in6.sin6_port)};
  }
};

std::optional<Address> numeric(const std::string& host, std::uint16_t port) {
  Address address;
  sockaddr_in in{.sin_family = AF_INET, .sin_port = htons(port)};
  if (::inet_pton(AF_INET, host.c_str(), &in.sin_addr) == 1) {
    std::memcpy(&address.storage, &in, sizeof in);
    address.size = sizeof in;
    return address;
  }
  sockaddr_in6 in6{.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (::inet_pton(AF_INET6, host.c_str(), &in6.sin6_addr) == 1) {
    std::memcpy(&address.storage, &in6, sizeof in6);
    address.size = sizeof in6;
    return address;
  }
  return std::nullopt;
}

/// Blocks: for the thread pool.
Result<std::vector<Address>> look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (status != 0) {
    const Code code = status == EAI_AGAIN ? Code::unavailable : Code::not_found;
    return fail(code, fmt::format("no address for the host '{}': {}", shown(host), ::gai_strerror(status)));
  }
  std::vector<Address> found;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    Address address;
    address.size = one->ai_addrlen;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    const std::string text = address.readable().host;
    if (const auto with_port = numeric(text, port)) found.push_back(*with_port);
  }
  ::freeaddrinfo(list);
  return found;
}

std::unexpected<Error> outside(const TcpAddress& address) {
  return fail(Code::permission_denied,
              fmt::format("'{}' is not a loopback address; use 127.0.0.1 or ::1", shown(address.to_string())));
}

async::Task<Result<std::vector<Address>>> addresses_of(async::Loop& loop, TcpAddress to) {
  std::vector<Address> found;
  if (const auto address = numeric(to.host, to.port)) {
    found.push_back(*address);
  } else if (to.host == "localhost") {
    found.push_back(*numeric("127.0.0.1", to.port));
    found.push_back(*numeric("::1", to.port));
  } else {
    auto job = [to] { return look_up(to.host, to.port); };
    co_return co_await async::run_blocking(loop, std::move(job));
  }
  co_return found;
}

async::Task<Result<UniqueFd>> connect_one(async::Loop& loop, Address address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) co_return fail_errno("socket", "");
  // What is forwarded is often a conversation; small answers must not wait for more.
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd.get(), address.generic(), address.size) == 0) co_return fd;
  if (errno == EINPROGRESS) {
    async::FdWatcher watcher(loop, fd.get());
    co_await watcher.writable();
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) co_return fd;
    errno = error;
  }
  co_return fail_errno("connect to", address.readable().to_string());
}

}  // namespace

std::string TcpAddress::to_string() const {
  return host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

TcpListener::TcpListener(async::Loop& loop, UniqueFd fd, TcpAddress address)
    : loop_(loop), fd_(std::move(fd)), watcher_(loop, fd_.get()), address_(std::move(address)) {}

Result<std::unique_ptr<TcpListener>> TcpListener::listen(async::Loop& loop, const TcpAddress& at, Reach reach) {
  const std::optional<Address> address = numeric(at.host == "localhost" ? "127.0.0.1" : at.host, at.port);
  if (!address) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is no address to listen on; give one like 127.0.0.1", shown(at.host)));
  }
  if (reach == Reach::loopback && !address->loopback()) return outside(at);
  UniqueFd fd(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", "");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->family() == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), address->generic(), address->size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0) {
    if (errno == EADDRINUSE) {
      return fail(Code::already_exists,
                  fmt::format("{} is taken; choose another port, or 0 for a free one", at.to_string()));
    }
    return fail_errno("listen on", at.to_string());
  }
  Address actual;
  actual.size = sizeof actual.storage;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&actual.storage),
                &actual.size);  // NOLINT: the socket API's own cast
  return std::unique_ptr<TcpListener>(new TcpListener(loop, std::move(fd), actual.readable()));
}

async::Task<Result<TcpListener::Accepted>> TcpListener::accept() {
  for (;;) {
    Address peer;
    peer.size = sizeof peer.storage;
    auto* generic = reinterpret_cast<sockaddr*>(&peer.storage);  // NOLINT: the socket API's own cast
    UniqueFd fd(::accept4(fd_.get(), generic, &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      co_return Accepted{.stream = std::make_unique<FdStream>(loop_, std::move(fd)), .peer = peer.readable()};
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN) co_return fail_errno("accept", address_.to_string());
    co_await watcher_.readable();
  }
}

async::Task<Result<std::unique_ptr<FdStream>>> connect_tcp(async::Loop& loop, TcpAddress to, Reach reach) {
  if (to.port == 0) co_return fail(Code::invalid_argument, "port 0 cannot be connected to; give one of 1 to 65535");
  const Result<std::vector<Address>> addresses = co_await addresses_of(loop, to);
  if (!addresses) co_return fail(addresses.error());
  std::optional<Error> last;
  for (const Address& address : *addresses) {
    if (reach == Reach::loopback && !address.loopback()) co_return outside(to);
    Result<UniqueFd> fd = co_await connect_one(loop, address);
    if (fd) co_return std::make_unique<FdStream>(loop, std::move(*fd));
    last = fd.error();
  }
  if (last) co_return fail(*last);
  co_return fail(Code::not_found, fmt::format("the host '{}' has no address", shown(to.host)));
}

}  // namespace swarm::transport
