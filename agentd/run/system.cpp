#include "agentd/run/system.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

namespace swarm::agentd {
namespace {

/// Agents have uids from 2001 on.
constexpr std::uint64_t kUidsForAgents = 2002;

std::string os_name() {
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kKey = "PRETTY_NAME=";
    if (!line.starts_with(kKey)) continue;
    line.erase(0, kKey.size());
    if (line.size() >= 2 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
    return line;
  }
  return {};
}

double cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  double count = static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (file >> quota >> period && period > 0) count = std::min(count, quota / period);  // "max" is no number
  return count;
}

std::uint64_t memory_bytes() {
  struct sysinfo info{};
  std::uint64_t bytes = 0;
  if (sysinfo(&info) == 0) bytes = std::uint64_t{info.totalram} * info.mem_unit;
  std::ifstream file("/sys/fs/cgroup/memory.max");
  std::uint64_t limit = 0;
  if (file >> limit) bytes = std::min(bytes, limit);
  return bytes;
}

}  // namespace

api::SystemInfo system_info() {
  api::SystemInfo info{.os = os_name()};
  utsname names{};
  if (uname(&names) == 0) {
    info.kernel = static_cast<const char*>(names.release);
    info.arch = static_cast<const char*>(names.machine);
    info.hostname = static_cast<const char*>(names.nodename);
  }
  info.cpus = cpus();
  info.memory_bytes = memory_bytes();
  return info;
}

api::Identity identity_mode() {
  if (geteuid() != 0) return api::Identity::cooperative;
  std::ifstream map("/proc/self/uid_map");
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
  while (map >> inside >> outside >> count) {
    if (inside + count > kUidsForAgents) return api::Identity::enforced;
  }
  return api::Identity::cooperative;
}

std::vector<api::LimitStatus> own_limits() {
  std::vector<api::LimitStatus> limits;
  const auto add = [&limits](api::Resource resource, __rlimit_resource number) {
    rlimit value{};
    if (getrlimit(number, &value) != 0 || value.rlim_cur == RLIM_INFINITY) return;
    limits.push_back({.resource = resource, .limit = value.rlim_cur, .mechanism = api::LimitMechanism::rlimit});
  };
  add(api::Resource::processes, RLIMIT_NPROC);
  add(api::Resource::descriptors, RLIMIT_NOFILE);
  add(api::Resource::memory, RLIMIT_AS);
  return limits;
}

}  // namespace swarm::agentd
