#include "daemon/providers/local/sweep.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "daemon/providers/local/files.hpp"
#include "daemon/providers/local/process_ref.hpp"

namespace swarm::local {
namespace {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  std::uint64_t start = 0;
};

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

std::optional<Process> read_process(pid_t pid) {
  const std::string stat = read_file(fmt::format("/proc/{}/stat", pid)).value_or("");
  const auto end = stat.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(end + 1));
  Process process;
  process.pid = pid;
  fields >> process.state >> process.parent;
  std::string skipped;
  constexpr int kBetween = 17;  // fields 5 to 21
  for (int i = 0; i < kBetween; ++i) fields >> skipped;
  fields >> process.start;
  return process;
}

std::vector<Process> all_processes() {
  std::vector<Process> found;
  const std::unique_ptr<DIR, CloseDir> proc(opendir("/proc"));
  while (const dirent* entry = proc ? readdir(proc.get()) : nullptr) {
    const auto pid = parse_number(entry->d_name);
    if (!pid) continue;
    if (const auto process = read_process(static_cast<pid_t>(*pid))) found.push_back(*process);
  }
  return found;
}

/// `init` and everything below it. Orphans of a pid namespace become children of its PID 1, so nobody is missed.
std::vector<Process> family(pid_t init) {
  const auto all = all_processes();
  std::vector<Process> members;
  for (const auto& process : all)
    if (process.pid == init) members.push_back(process);
  for (std::size_t i = 0; i < members.size(); ++i) {
    for (const auto& process : all)
      if (process.parent == members[i].pid) members.push_back(process);
  }
  return members;
}

/// Sends a signal to exactly this process: its pid may be another's by now, but then it has another parent or start.
Result<void> send(const Process& process, int signal) {
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd) return {};
  const auto now = read_process(process.pid);
  if (!now || now->parent != process.parent || now->start != process.start) return {};
  if (auto sent = signal_process(pidfd.get(), signal); !sent && sent.error().code != Code::not_found) return sent;
  return {};
}

}  // namespace

Result<void> stop_processes(pid_t init) {
  using namespace std::chrono_literals;
  const auto end = std::chrono::steady_clock::now() + 5s;
  std::set<std::pair<pid_t, std::uint64_t>> signalled;
  while (std::chrono::steady_clock::now() < end) {
    bool at_rest = true;
    for (const auto& process : family(init)) {
      if (process.state == 'T' || process.state == 't' || process.state == 'Z' || process.state == 'X') continue;
      // In the kernel and not to be woken, for example in vfork until a child that we stopped has called exec. It
      // cannot come back without stopping.
      const bool again = !signalled.insert({process.pid, process.start}).second;
      if (process.state == 'D' && again) continue;
      at_rest = false;
      if (auto sent = send(process, SIGSTOP); !sent) return sent;
    }
    if (at_rest) return {};
    // A signalled process stands still once it has been given the processor.
    std::this_thread::sleep_for(500us);
  }
  (void)continue_processes(init);
  return fail(Code::deadline_exceeded, "the sandbox's processes could not be stopped within 5 s");
}

Result<void> continue_processes(pid_t init) {
  for (const auto& process : family(init)) {
    if (auto sent = send(process, SIGCONT); !sent) return sent;
  }
  return {};
}

}  // namespace swarm::local
