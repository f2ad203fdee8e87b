// `swarm-shim`: started by agentd, never by hand. See shim.hpp.
//
//   swarm-shim              the supervisor of one exec, on the descriptors of protocol.hpp
//   swarm-shim pane DIR     the supervisor of the program in a pane: DIR holds `request` and `status`, the terminal of
//                           the pane is on 0-2
//   swarm-shim spool FILE   appends its input to a ring file

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>

#include "agentd/exec/shim/shim.hpp"

namespace {

using namespace swarm::agentd::shim;

constexpr int kUsage = 2;

/// Makes the file of that name in the directory descriptor `to`.
bool open_as(int directory, const char* name, int flags, int to) {
  const int fd = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  if (fd == to) return true;
  const bool moved = dup2(fd, to) == to;
  close(fd);
  return moved;
}

int pane(const char* path) {
  // Above everything that the supervisor is given, so that nothing is closed by what is moved to its place.
  const int found = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int directory = found < 0 ? -1 : fcntl(found, F_DUPFD_CLOEXEC, kLastFd + 1);
  close(found);
  if (directory < 0) return kUsage;
  for (int fd = kControlFd; fd <= kLastFd; ++fd) close(fd);
  const bool opened =
      open_as(directory, "request", O_RDONLY, kRequestFd) && open_as(directory, "status", O_RDWR, kStatusFd);
  close(directory);
  if (!opened) return kUsage;
  Shim shim;
  return shim.run();
}

int spool(const char* path) {
  RingWriter ring;
  const int file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0 || !ring.open(file)) return kUsage;
  static std::array<std::byte, 65536> buffer;
  for (;;) {
    const ssize_t size = read(0, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return 0;
    ring.append(std::span(buffer).first(static_cast<std::size_t>(size)));
    futimens(file, nullptr);  // whoever watches the file (inotify) hears of it when it is all there
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc == 3 ? argv[1] : "";
  if (verb == "pane") _exit(pane(argv[2]));
  if (verb == "spool") _exit(spool(argv[2]));
  if (argc > 1) _exit(kUsage);
  Shim shim;
  _exit(shim.run());
}
