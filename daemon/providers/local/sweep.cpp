#include "daemon/providers/local/sweep.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <signal.h>

#include <memory>
#include <sstream>
#include <vector>

#include "daemon/providers/local/files.hpp"

namespace swarm::local {
namespace {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
};

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

std::vector<Process> all_processes() {
  std::vector<Process> found;
  const std::unique_ptr<DIR, CloseDir> proc(opendir("/proc"));
  while (const dirent* entry = proc ? readdir(proc.get()) : nullptr) {
    const auto pid = parse_number(entry->d_name);
    if (!pid) continue;
    const std::string stat = read_file(fmt::format("/proc/{}/stat", *pid)).value_or("");
    const auto end = stat.rfind(')');
    if (end == std::string::npos) continue;
    std::istringstream fields(stat.substr(end + 1));
    Process process;
    process.pid = static_cast<pid_t>(*pid);
    fields >> process.state >> process.parent;
    found.push_back(process);
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

}  // namespace

Result<void> stop_processes(pid_t init) {
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    bool at_rest = true;
    for (const auto& process : family(init)) {
      if (process.state == 'T' || process.state == 't' || process.state == 'Z' || process.state == 'X') continue;
      at_rest = false;
      if (kill(process.pid, SIGSTOP) != 0 && errno != ESRCH) return fail_errno("kill", std::to_string(process.pid));
    }
    if (at_rest) return {};
  }
  (void)continue_processes(init);
  return fail(Code::deadline_exceeded, "the sandbox forks faster than its processes can be stopped");
}

Result<void> continue_processes(pid_t init) {
  for (const auto& process : family(init)) {
    if (kill(process.pid, SIGCONT) != 0 && errno != ESRCH) return fail_errno("kill", std::to_string(process.pid));
  }
  return {};
}

}  // namespace swarm::local
