#include "daemon/providers/local/launcher/remove_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace swarm::local {
namespace {

/// Below this depth a directory is moved up to the root instead of being entered, so that depth stays bounded.
constexpr int kMaxDepth = 64;

struct CloseEmptied {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Emptied = std::unique_ptr<DIR, CloseEmptied>;

Emptied open_to_empty(int parent, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat(parent, name, kFlags);
  if (fd < 0 && errno == EACCES) {
    // A directory with mode 000: its owner may still open it up.
    if (fchmodat(parent, name, 0700, 0) == 0) fd = openat(parent, name, kFlags);
  }
  if (fd < 0) return nullptr;
  Emptied dir(fdopendir(fd));
  if (!dir) close(fd);
  return dir;
}

class Remover {
 public:
  explicit Remover(int root) : root_(root) {}

  int run() {
    // Each pass may move deep directories up; stop when one neither moved nor left anything.
    while (true) {
      moved_ = false;
      error_ = 0;
      Emptied top(fdopendir(openat(root_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
      if (!top) return errno;
      empty(top.get(), 0);
      if (!moved_) return error_;
    }
  }

 private:
  void note(int error) {
    if (error_ == 0) error_ = error;
  }

  void remove_dir(int parent, const char* name, int depth) {
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (errno != ENOTEMPTY && errno != EEXIST) return note(errno);
    if (depth >= kMaxDepth) {
      // The tree may hold that name already, on purpose; another number is free soon.
      for (int attempt = 0; attempt < 1000; ++attempt) {
        const std::string target = ".swarm-removed-" + std::to_string(counter_++);
        if (renameat(parent, name, root_, target.c_str()) == 0) {
          moved_ = true;
          return;
        }
      }
      return note(errno);
    }
    const Emptied dir = open_to_empty(parent, name);
    if (!dir) return note(errno);
    empty(dir.get(), depth + 1);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) note(errno);
  }

  void empty(DIR* dir, int depth) {
    const int fd = dirfd(dir);
    bool opened_up = false;
    while (true) {
      errno = 0;
      const dirent* entry = readdir(dir);
      if (entry == nullptr) break;
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT) continue;
      if (errno == EACCES && !opened_up) {
        opened_up = true;
        fchmod(fd, 0700);
        if (unlinkat(fd, entry->d_name, 0) == 0) continue;
      }
      // EISDIR on Linux, EPERM by POSIX; a file that cannot be unlinked gives ENOTDIR below and is noted there.
      remove_dir(fd, entry->d_name, depth);
    }
  }

  int root_;
  int error_ = 0;
  bool moved_ = false;
  unsigned long counter_ = 0;
};

}  // namespace

int remove_contents(int root) { return Remover(root).run(); }

}  // namespace swarm::local
