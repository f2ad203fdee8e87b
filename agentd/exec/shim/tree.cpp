#include "agentd/exec/shim/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace swarm::agentd::shim {
namespace {

/// How often to look for new processes in one sweep: a fork bomb at its limit is frozen in two or three.
constexpr int kMostSweeps = 16;

/// The fields of /proc/PID/stat (proc(5)). The second, the name, may hold anything, so the last ')' ends it.
bool read_stat(int proc, pid_t pid, Descendant& out) {
  std::array<char, 16 + 8> path{};
  auto [end, problem] = std::to_chars(path.data(), path.data() + 16, pid);
  if (problem != std::errc{}) return false;
  std::string_view("/stat").copy(end, 5);
  const int fd = openat(proc, path.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  std::array<char, 1024> text{};
  const ssize_t size = read(fd, text.data(), text.size());
  close(fd);
  if (size <= 0) return false;
  std::string_view rest(text.data(), static_cast<std::size_t>(size));
  const auto name_end = rest.rfind(')');
  if (name_end == std::string_view::npos) return false;
  rest.remove_prefix(name_end + 1);
  out = {.pid = pid};
  for (int field = 3; field <= 22 && !rest.empty(); ++field) {
    rest.remove_prefix(1);
    const std::string_view word = rest.substr(0, rest.find(' '));
    const auto number = [&word](auto& value) { std::from_chars(word.data(), word.data() + word.size(), value); };
    if (field == 3) out.state = word.empty() ? 'X' : word.front();
    if (field == 4) number(out.parent);
    if (field == 5) number(out.group);
    if (field == 22) number(out.start);
    rest.remove_prefix(word.size());
  }
  return true;
}

int proc_directory() {
  static const int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd;
}

/// Keeps of all processes those below us. `all` is sorted by pid.
void keep_descendants(std::vector<Descendant>& all) {
  enum Mark : char { unknown, ours, foreign };
  const pid_t self = getpid();
  std::vector<Mark> marks(all.size(), unknown);
  std::vector<std::size_t> chain;
  const auto find = [&all](pid_t pid) {
    const auto at = std::ranges::lower_bound(all, pid, {}, &Descendant::pid);
    return at != all.end() && at->pid == pid ? static_cast<std::size_t>(at - all.begin()) : all.size();
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    chain.clear();
    std::size_t at = i;
    Mark mark = foreign;
    // The snapshot is not taken in one instant: a chain may even close to a ring. Its length is bounded for that.
    while (at < all.size() && chain.size() <= all.size()) {
      if (marks[at] != unknown) {
        mark = marks[at];
        break;
      }
      chain.push_back(at);
      if (all[at].parent == self) {
        mark = ours;
        break;
      }
      at = find(all[at].parent);
    }
    for (const std::size_t member : chain) marks[member] = mark;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (marks[i] == ours && all[i].state != 'Z' && all[i].state != 'X') all[kept++] = all[i];
  }
  all.resize(kept);
}

}  // namespace

bool find_descendants(std::vector<Descendant>& found) {
  found.clear();
  const int proc = proc_directory();
  const int listing = proc < 0 ? -1 : openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (listing < 0) return false;
  DIR* directory = fdopendir(listing);
  if (directory == nullptr) {
    close(listing);
    return false;
  }
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name(static_cast<const char*>(entry->d_name));
    pid_t pid = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem != std::errc{} || end != name.data() + name.size()) continue;
    Descendant process;
    if (read_stat(proc, pid, process)) found.push_back(process);
  }
  closedir(directory);
  std::ranges::sort(found, {}, &Descendant::pid);
  keep_descendants(found);
  return true;
}

void send(const Descendant& to, int number) {
  if (to.parent == getpid()) {  // ours to reap, so its number is its own until then
    kill(to.pid, number);
    return;
  }
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, to.pid, 0));
  if (pidfd < 0) {
    if (errno == ENOSYS) kill(to.pid, number);
    return;
  }
  Descendant now;
  if (read_stat(proc_directory(), to.pid, now) && now.start == to.start) {
    syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0);
  }
  close(pidfd);
}

void signal_all(int number) {
  std::vector<Descendant> all;
  if (!find_descendants(all)) return;
  for (const Descendant& one : all) send(one, number);
}

void signal_group(pid_t group, int number) {
  std::vector<Descendant> all;
  if (!find_descendants(all)) return;
  for (const Descendant& one : all) {
    if (one.group == group) send(one, number);
  }
}

void ask_to_end(pid_t program) {
  std::vector<Descendant> all;
  if (!find_descendants(all)) {
    if (program > 0) kill(-program, SIGTERM);
    return;
  }
  for (const Descendant& one : all) {
    send(one, SIGTERM);
    if (one.state == 'T') send(one, SIGCONT);
  }
}

void kill_all(pid_t program) {
  std::vector<Descendant> frozen;
  std::vector<Descendant> found;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    if (!find_descendants(found)) {
      if (program > 0) kill(-program, SIGKILL);
      return;
    }
    bool fresh = false;
    for (const Descendant& one : found) {
      const auto known = std::ranges::lower_bound(frozen, one.pid, {}, &Descendant::pid);
      if (known != frozen.end() && known->pid == one.pid && known->start == one.start) continue;
      fresh = true;
      send(one, SIGSTOP);
    }
    std::swap(frozen, found);
    if (!fresh) break;
  }
  for (const Descendant& one : frozen) send(one, SIGKILL);
}

}  // namespace swarm::agentd::shim
