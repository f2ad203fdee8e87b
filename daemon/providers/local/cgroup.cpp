#include "daemon/providers/local/cgroup.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "daemon/providers/local/files.hpp"

namespace swarm::local {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kPeriodUs = 100'000;

/// Polls until `ready` or until two seconds are over: the kernel offers no descriptor to wait on here.
template <class F>
bool wait_until(F ready) {
  const auto end = std::chrono::steady_clock::now() + 2s;
  for (auto pause = 100us; !ready(); pause = std::min<std::chrono::microseconds>(pause * 2, 10ms)) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

/// Makes a sandbox's group below a controller's directory, once for all controllers of one tree.
Result<std::string> make_group(CgroupSet& set, const Controller& controller, const std::string& id) {
  if (controller.mechanism == Mechanism::none) return std::string();
  std::string directory = controller.directory + "/" + id;
  if (std::ranges::find(set.directories, directory) != set.directories.end()) return directory;
  if (mkdir(directory.c_str(), 0755) != 0) return fail_errno("mkdir", directory);
  set.directories.push_back(directory);
  return directory;
}

Result<void> limit_memory(const CgroupSet& set, std::uint64_t bytes) {
  const std::string text = std::to_string(bytes);
  if (set.memory_by == Mechanism::cgroup2) {
    if (auto written = write_control(set.memory + "/memory.max", text); !written) return written;
    // Without swap accounting the file is missing, and then there is nothing to limit.
    (void)write_control(set.memory + "/memory.swap.max", "0");
    return {};
  }
  if (auto written = write_control(set.memory + "/memory.limit_in_bytes", text); !written) return written;
  (void)write_control(set.memory + "/memory.memsw.limit_in_bytes", text);
  return {};
}

Result<void> limit_cpu(const std::string& group, Mechanism by, std::uint32_t milli) {
  const std::uint64_t quota = std::max<std::uint64_t>(std::uint64_t{milli} * kPeriodUs / 1000, 1000);
  if (by == Mechanism::cgroup2) return write_control(group + "/cpu.max", fmt::format("{} {}", quota, kPeriodUs));
  if (auto written = write_control(group + "/cpu.cfs_period_us", std::to_string(kPeriodUs)); !written) return written;
  return write_control(group + "/cpu.cfs_quota_us", std::to_string(quota));
}

Result<void> fill(CgroupSet& set, const CgroupHost& host, const std::string& id, const CgroupLimits& limits) {
  if (limits.memory_bytes) {
    auto group = make_group(set, host.memory, id);
    if (!group) return fail(group.error());
    set.memory = *group;
    set.memory_by = host.memory.mechanism;
    if (!set.memory.empty()) {
      if (auto done = limit_memory(set, *limits.memory_bytes); !done) return done;
    }
  }
  if (limits.cpu_milli) {
    auto group = make_group(set, host.cpu, id);
    if (!group) return fail(group.error());
    set.cpu_by = host.cpu.mechanism;
    if (!group->empty()) {
      if (auto done = limit_cpu(*group, set.cpu_by, *limits.cpu_milli); !done) return done;
    }
  }
  if (limits.processes) {
    auto group = make_group(set, host.processes, id);
    if (!group) return fail(group.error());
    set.processes = *group;
    set.processes_by = host.processes.mechanism;
    if (!group->empty()) {
      if (auto done = write_control(*group + "/pids.max", std::to_string(*limits.processes)); !done) return done;
    }
  }
  auto freezer = make_group(set, host.freezer, id);
  if (!freezer) return fail(freezer.error());
  set.freezer = *freezer;
  set.freeze_by = host.freezer.mechanism;
  auto usage = make_group(set, host.usage, id);
  if (!usage) return fail(usage.error());
  set.usage = *usage;
  set.usage_by = host.usage.mechanism;
  return {};
}

Result<void> set_frozen(const CgroupSet& set, bool frozen) {
  if (set.freeze_by == Mechanism::none)
    return fail(Code::unimplemented, "this machine gives the daemon no freezer; see 'swarmctl doctor'");
  if (set.freeze_by == Mechanism::cgroup2) {
    if (auto done = write_control(set.freezer + "/cgroup.freeze", frozen ? "1" : "0"); !done) return done;
    const bool reached = wait_until([&] {
      return find_number(read_file(set.freezer + "/cgroup.events").value_or(""), "frozen") == (frozen ? 1 : 0);
    });
    if (reached) return {};
  } else {
    const std::string_view word = frozen ? "FROZEN" : "THAWED";
    if (auto done = write_control(set.freezer + "/freezer.state", word); !done) return done;
    if (wait_until([&] { return read_file(set.freezer + "/freezer.state").value_or("").starts_with(word); })) return {};
  }
  return fail(Code::deadline_exceeded,
              fmt::format("'{}' did not {} within 2 s", set.freezer, frozen ? "freeze" : "thaw"));
}

}  // namespace

std::string_view mechanism_name(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::none:
      return "none";
    case Mechanism::cgroup2:
      return "cgroup-v2";
    case Mechanism::cgroup1:
      return "cgroup-v1";
    case Mechanism::rlimit:
      return "rlimit";
    case Mechanism::tmpfs:
      return "tmpfs";
    case Mechanism::watched:
      return "watched";
    case Mechanism::sweep:
      return "sigstop";
  }
  return "none";
}

std::vector<std::string> CgroupSet::procs_files() const {
  std::vector<std::string> files;
  for (const auto& directory : directories) files.push_back(directory + "/cgroup.procs");
  return files;
}

Result<CgroupSet> make_cgroups(const CgroupHost& host, const std::string& id, const CgroupLimits& limits) {
  CgroupSet set;
  if (auto filled = fill(set, host, id, limits); !filled) {
    (void)remove_cgroups(set);
    return fail(filled.error(), "control group");
  }
  return set;
}

Result<void> freeze(const CgroupSet& set) { return set_frozen(set, true); }
Result<void> thaw(const CgroupSet& set) { return set_frozen(set, false); }

Result<void> remove_cgroups(const CgroupSet& set) {
  Result<void> outcome;
  for (const auto& directory : set.directories) {
    // EBUSY lasts until the kernel has let go of the last process.
    int error = 0;
    (void)wait_until([&] {
      error = rmdir(directory.c_str()) == 0 ? 0 : errno;
      return error != EBUSY;
    });
    if (error != 0 && error != ENOENT) outcome = fail_errno("rmdir", directory, error);
  }
  return outcome;
}

CgroupUsage read_usage(const CgroupSet& set) {
  CgroupUsage usage;
  const auto number = [](const std::string& path) { return parse_number(read_file(path).value_or("")); };
  if (set.usage_by == Mechanism::cgroup2) {
    if (const auto us = find_number(read_file(set.usage + "/cpu.stat").value_or(""), "usage_usec"))
      usage.cpu_ns = *us * 1000;
  } else if (set.usage_by == Mechanism::cgroup1) {
    usage.cpu_ns = number(set.usage + "/cpuacct.usage");
  }
  if (set.memory_by == Mechanism::cgroup2) {
    usage.memory_bytes = number(set.memory + "/memory.current");
    usage.memory_peak_bytes = number(set.memory + "/memory.peak");
    usage.oom_kills = find_number(read_file(set.memory + "/memory.events").value_or(""), "oom_kill");
  } else if (set.memory_by == Mechanism::cgroup1) {
    usage.memory_bytes = number(set.memory + "/memory.usage_in_bytes");
    usage.memory_peak_bytes = number(set.memory + "/memory.max_usage_in_bytes");
    usage.oom_kills = find_number(read_file(set.memory + "/memory.oom_control").value_or(""), "oom_kill");
  }
  if (!set.processes.empty()) usage.processes = number(set.processes + "/pids.current");
  return usage;
}

}  // namespace swarm::local
