#include "agentd/metrics/metrics.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <sstream>

#include "protocol/core/deleter.hpp"

namespace swarm::agentd {
namespace {

constexpr std::size_t kTop = 20;

std::optional<std::string> slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

/// The number in a file of a cgroup; nothing for "max" or when there is none.
std::optional<std::uint64_t> figure(const std::string& path) {
  const auto text = slurp(path);
  return text ? number(*text) : std::nullopt;
}

/// "name value" lines, as cpu.stat and memory.events have them.
std::optional<std::uint64_t> keyed(const std::string& path, std::string_view key) {
  std::ifstream in(path);
  std::string name;
  std::uint64_t value = 0;
  while (in >> name >> value) {
    if (name == key) return value;
  }
  return std::nullopt;
}

struct Process {
  api::ProcessMetrics shown;
  std::uint64_t cpu_us = 0;  ///< with the children that it waited for
  std::uint64_t threads = 0;
  std::uint64_t shared_bytes = 0;
};

/// proc(5): "pid (name) state ppid ...", where the name may hold anything, also ')'.
std::optional<Process> read_process(const std::string& directory, std::uint32_t pid) {
  const auto text = slurp(directory + "/stat");
  if (!text) return std::nullopt;
  const std::size_t open = text->find('(');
  const std::size_t close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  std::istringstream fields(text->substr(close + 1));
  std::string state;
  fields >> state;
  std::array<std::int64_t, 21> f{};  // ppid is field 4 of proc(5), so f[i] is field i + 4
  for (auto& value : f) fields >> value;
  if (!fields) return std::nullopt;
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) return std::nullopt;

  static const auto ticks = static_cast<std::uint64_t>(std::max(1L, ::sysconf(_SC_CLK_TCK)));
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto us = [&](std::int64_t value) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0)) * 1'000'000 / ticks;
  };
  Process out;
  out.shown = {.pid = pid, .uid = info.st_uid, .name = {text->substr(open + 1, close - open - 1)}};
  out.shown.cpu_us = us(f[10] + f[11]);
  out.cpu_us = us(f[10] + f[11] + f[12] + f[13]);
  out.threads = static_cast<std::uint64_t>(std::max<std::int64_t>(f[16], 0));
  out.shown.memory_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(f[20], 0)) * page;
  if (const auto pages = slurp(directory + "/statm")) {
    std::istringstream in(*pages);
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    std::uint64_t shared = 0;
    in >> size >> resident >> shared;
    out.shared_bytes = std::min(shared * page, out.shown.memory_bytes);
  }
  return out;
}

Result<void> add_processes(const std::string& proc, api::SandboxMetrics& metrics) {
  const CPtr<DIR, closedir> directory(::opendir(proc.c_str()));
  if (!directory) return fail_errno("open", proc);
  std::uint64_t largest_shared = 0;
  std::vector<api::ProcessMetrics> all;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name(static_cast<const char*>(entry->d_name));
    const auto pid = number(name);
    if (!pid || name.find_first_not_of("0123456789") != std::string_view::npos) continue;
    auto process = read_process(fmt::format("{}/{}", proc, name), static_cast<std::uint32_t>(*pid));
    if (!process) continue;  // it has ended
    metrics.cpu_us += process->cpu_us;
    metrics.processes += process->threads;
    metrics.memory_bytes += process->shown.memory_bytes - process->shared_bytes;
    largest_shared = std::max(largest_shared, process->shared_bytes);
    all.push_back(std::move(process->shown));
  }
  metrics.memory_bytes += largest_shared;
  const auto top = std::min(kTop, all.size());
  std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(top), std::ranges::greater{},
                            &api::ProcessMetrics::memory_bytes);
  all.resize(top);
  metrics.top = std::move(all);
  return {};
}

void add_disks(const MetricsSetup& setup, api::SandboxMetrics& metrics) {
  std::set<dev_t> seen;
  std::vector<std::string> on_disk;
  std::uint64_t limit = 0;
  for (const std::string& path : setup.disks) {
    struct stat info{};
    struct statvfs space{};
    struct statfs kind{};
    if (::stat(path.c_str(), &info) != 0 || ::statfs(path.c_str(), &kind) != 0) continue;
    if (kind.f_type != TMPFS_MAGIC) {
      on_disk.push_back(path);
      continue;
    }
    if (::statvfs(path.c_str(), &space) != 0 || !seen.insert(info.st_dev).second) continue;
    metrics.disk_bytes += (space.f_blocks - space.f_bfree) * space.f_frsize;
    limit += space.f_blocks * space.f_frsize;
  }
  if (!on_disk.empty()) metrics.disk_bytes += setup.walked->bytes(on_disk);
  if (limit > 0 && on_disk.empty()) metrics.disk_limit_bytes = limit;
}

/// /proc/self/net/dev: two lines of headings, then "name: 8 figures received, 8 sent".
void add_network(const std::string& proc, api::SandboxMetrics& metrics) {
  std::ifstream in(proc + "/self/net/dev");
  std::string line;
  for (int i = 0; std::getline(in, line); ++i) {
    const std::size_t colon = line.find(':');
    if (i < 2 || colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(' ');
    if (line.substr(begin, colon - begin) == "lo") continue;
    std::istringstream fields(line.substr(colon + 1));
    std::array<std::uint64_t, 9> f{};
    for (auto& value : f) fields >> value;
    if (!fields) continue;
    metrics.network_received_bytes = metrics.network_received_bytes.value_or(0) + f[0];
    metrics.network_sent_bytes = metrics.network_sent_bytes.value_or(0) + f[8];
  }
}

/// cgroup v2, when what is mounted is the sandbox's own: the root of a hierarchy has no memory.current.
void add_cgroup(const std::string& cgroup, api::SandboxMetrics& metrics) {
  if (const auto used = figure(cgroup + "/memory.current")) metrics.memory_bytes = *used;
  metrics.memory_peak_bytes = figure(cgroup + "/memory.peak");
  metrics.memory_limit_bytes = figure(cgroup + "/memory.max");
  metrics.processes_limit = figure(cgroup + "/pids.max");
  if (!figure(cgroup + "/memory.current")) return;
  metrics.oom_kills = keyed(cgroup + "/memory.events", "oom_kill");
  if (const auto us = keyed(cgroup + "/cpu.stat", "usage_usec")) metrics.cpu_us = *us;
  if (const auto quota = slurp(cgroup + "/cpu.max")) {
    std::istringstream in(*quota);
    double allowed = 0;
    double period = 0;
    if (in >> allowed >> period && period > 0) metrics.cpus_limit = allowed / period;
  }
}

}  // namespace

Result<api::SandboxMetrics> read_metrics(const MetricsSetup& setup, const Clock& clock) {
  api::SandboxMetrics metrics{.time_us = clock.wall().us};
  const Result<void> processes = add_processes(setup.proc, metrics);
  if (!processes) return fail(processes.error(), "metrics");
  add_disks(setup, metrics);
  add_network(setup.proc, metrics);
  add_cgroup(setup.cgroup, metrics);
  return metrics;
}

}  // namespace swarm::agentd
