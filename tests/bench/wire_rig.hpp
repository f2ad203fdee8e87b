#pragma once
// Servers in processes of their own, and a client that only blocks: the same for ours and for the rivals.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "protocol/transport/unix.hpp"
#include "protocol/wire/message.hpp"
#include "protocol/wire/scanner.hpp"

namespace swarm::bench {

[[noreturn]] inline void die(const std::string& what) {
  std::fprintf(stderr, "wire_bench: %s\n", what.c_str());
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) die(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// A client's end of the socket at `path`, for one that only blocks.
inline UniqueFd dial(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);  // NOLINT: the socket API's own cast
  if (::connect(fd.get(), generic, sizeof address) != 0) die("connect to " + path);
  return fd;
}

inline std::string request_bytes(std::string_view method, const Value& params) {
  std::string out;
  wire::append_request(out, 1, method, params);
  return out;
}

/// Dies with its owner.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// User and system time so far, as /proc/PID/stat has it (ticks).
  [[nodiscard]] double cpu_seconds() const {
    std::FILE* file = std::fopen(fmt::format("/proc/{}/stat", pid_).c_str(), "r");
    if (file == nullptr) return 0;
    unsigned long user = 0;
    unsigned long system = 0;
    const int got = std::fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    std::fclose(file);
    return got == 2 ? static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)) : 0;
  }

 private:
  pid_t pid_;
};

struct Server {
  std::unique_ptr<Child> child;
  UniqueFd fd;
};

/// Runs `serve` in a child, on the other end of the given socket.
template <class F>
Server start(F serve) {
  auto [ours, theirs] = must(transport::socket_pair());
  const pid_t pid = ::fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ours.reset();
    serve(std::move(theirs));
    ::_exit(0);
  }
  const int flags = ::fcntl(ours.get(), F_GETFL);
  ::fcntl(ours.get(), F_SETFL, flags & ~O_NONBLOCK);
  return {.child = std::make_unique<Child>(pid), .fd = std::move(ours)};
}

/// One round trip of a client that only blocks: writes, and reads until a whole message is there.
inline void round_trip(int fd, const std::string& request, std::size_t answer_size) {
  if (::write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) die("write");
  std::array<char, 65536> buffer;
  for (std::size_t got = 0; got < answer_size;) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size <= 0) die("the server has gone");
    got += static_cast<std::size_t>(size);
  }
}

inline std::size_t answer_size(int fd, const std::string& request) {
  if (::write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) die("write");
  std::string answer;
  std::array<char, 65536> buffer;
  wire::FrameScanner scanner{wire::Limits{}};
  for (;;) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size <= 0) die("the server has gone");
    answer.append(buffer.data(), static_cast<std::size_t>(size));
    if (must(scanner.scan(std::as_bytes(std::span(answer)))) == wire::FrameScanner::Found::frame) return answer.size();
  }
}

}  // namespace swarm::bench
