#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "daemon/service/socket.hpp"
#include "daemon/service/systemd.hpp"
#include "protocol/transport/unix.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::service;

namespace {

/// A child that binds the socket, says so through a pipe, and lives until it is killed.
pid_t daemon_at(const std::filesystem::path& path) {
  std::array<int, 2> ready{};
  REQUIRE(pipe(ready.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    auto socket = ServerSocket::bind(path);
    const char answer = socket ? 'y' : 'n';
    static_cast<void>(write(ready[1], &answer, 1));
    for (;;) pause();
  }
  char answer = 0;
  REQUIRE(read(ready[0], &answer, 1) == 1);
  REQUIRE(answer == 'y');
  close(ready[0]);
  close(ready[1]);
  return child;
}

void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace

TEST_CASE("a live daemon's socket is never taken, a dead one's is") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path path = directory / "swarmd.sock";
  const pid_t other = daemon_at(path);

  const auto refused = ServerSocket::bind(path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::already_exists);
  CHECK(refused.error().message.find(std::to_string(other)) != std::string::npos);
  CHECK(std::filesystem::exists(path));

  end(other);
  CHECK(std::filesystem::exists(path));  // it left its socket behind
  {
    auto taken = ServerSocket::bind(path);
    REQUIRE(taken);
    struct stat info{};
    REQUIRE(stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("two daemons that start at once: one wins") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path path = directory / "swarmd.sock";
  auto first = ServerSocket::bind(path);
  auto second = ServerSocket::bind(path);  // flock knows open files, not processes
  CHECK(first.has_value());
  CHECK_FALSE(second.has_value());
}

TEST_CASE("what systemd hands over is taken out of the environment") {
  setenv("NOTIFY_SOCKET", "/nowhere", 1);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_PID", "1", 1);  // meant for somebody else
  const ServiceManager manager = ServiceManager::take();
  CHECK(manager.notify_socket == "/nowhere");
  CHECK(manager.watchdog == Duration(std::chrono::seconds(3)));
  CHECK(manager.listen_fds.empty());
  CHECK(getenv("NOTIFY_SOCKET") == nullptr);
  CHECK(getenv("LISTEN_FDS") == nullptr);
  manager.notify("READY=1");  // nobody listens: no failure
}

TEST_CASE("readiness arrives at the notify socket") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "notify";
  const UniqueFd receiver(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), path.size());
  REQUIRE(bind(receiver.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ServiceManager manager;
  manager.notify_socket = path;
  manager.notify("READY=1\nSTATUS=serving");
  std::array<char, 128> buffer{};
  const ssize_t size = recv(receiver.get(), buffer.data(), buffer.size(), 0);
  CHECK(std::string(buffer.data(), static_cast<std::size_t>(size)) == "READY=1\nSTATUS=serving");
}
