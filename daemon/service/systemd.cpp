#include "daemon/service/systemd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>

namespace swarm::service {
namespace {

constexpr int kFirstListenFd = 3;  // SD_LISTEN_FDS_START

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  unsetenv(name);
  return taken;
}

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

ServiceManager ServiceManager::take() {
  ServiceManager manager;
  manager.notify_socket = take_variable("NOTIFY_SOCKET");

  const auto fds = to_number(take_variable("LISTEN_FDS"));
  const auto fds_for = to_number(take_variable("LISTEN_PID"));
  take_variable("LISTEN_FDNAMES");
  if (fds && fds_for == getpid() && *fds > 0 && *fds < 1024) {
    for (int fd = kFirstListenFd; fd < kFirstListenFd + static_cast<int>(*fds); ++fd) {
      fcntl(fd, F_SETFD, FD_CLOEXEC);
      manager.listen_fds.emplace_back(fd);
    }
  }

  const auto watchdog = to_number(take_variable("WATCHDOG_USEC"));
  const std::string watchdog_for = take_variable("WATCHDOG_PID");
  if (watchdog && *watchdog > 0 && (watchdog_for.empty() || to_number(watchdog_for) == getpid())) {
    manager.watchdog = std::chrono::microseconds(*watchdog);
  }
  return manager;
}

void ServiceManager::notify(std::string_view state) const {
  if (notify_socket.empty()) return;
  sockaddr_un address{};
  if (notify_socket.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  notify_socket.copy(static_cast<char*>(address.sun_path), notify_socket.size());
  if (notify_socket.front() == '@') address.sun_path[0] = '\0';  // an abstract socket
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + notify_socket.size());
  sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address),  // NOLINT: the socket API's own cast
         size);
}

}  // namespace swarm::service
