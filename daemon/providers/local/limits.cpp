#include "daemon/providers/local/limits.hpp"

#include <sys/resource.h>

#include <cmath>

namespace swarm::local {
namespace {

constexpr std::uint64_t kDefaultTmpfs = std::uint64_t{1} << 30U;

api::LimitMechanism to_api(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::cgroup2:
      return api::LimitMechanism::cgroup_v2;
    case Mechanism::cgroup1:
      return api::LimitMechanism::cgroup_v1;
    case Mechanism::rlimit:
      return api::LimitMechanism::rlimit;
    case Mechanism::tmpfs:
      return api::LimitMechanism::tmpfs;
    case Mechanism::watched:
      return api::LimitMechanism::watched;
    case Mechanism::none:
    case Mechanism::sweep:
      break;
  }
  return api::LimitMechanism::none;
}

class Planner {
 public:
  Planner(const api::SandboxLimits& wanted, const CgroupHost& host) : wanted_(wanted), host_(host) {}

  LimitPlan plan(Storage storage) {
    memory();
    cpu();
    processes();
    descriptors();
    disk(storage);
    // A core dump would go through the host's core_pattern, a pipe to a program outside. The kernel reads a limit of 1
    // as "not through a pipe either"; 0 would only stop files.
    plan_.rlimits.push_back({RLIMIT_CORE, 1, 1});
    return std::move(plan_);
  }

 private:
  void state(api::Resource resource, std::optional<std::uint64_t> limit, Mechanism by, const std::string& why = {}) {
    api::LimitStatus status{.resource = resource, .limit = limit, .mechanism = to_api(by), .note = {}};
    if (!why.empty()) {
      status.note = why;
      if (limit) plan_.weaknesses.push_back(why);
    }
    plan_.status.push_back(std::move(status));
  }

  void memory() {
    plan_.cgroups.memory_bytes = wanted_.memory_bytes;
    const auto& controller = host_.memory;
    if (!wanted_.memory_bytes || controller.mechanism != Mechanism::none)
      return state(api::Resource::memory, wanted_.memory_bytes, controller.mechanism);
    // Not the address space: language runtimes reserve far more of that than they ever use.
    plan_.rlimits.push_back({RLIMIT_DATA, *wanted_.memory_bytes, *wanted_.memory_bytes});
    state(api::Resource::memory, wanted_.memory_bytes, Mechanism::rlimit,
          "memory is limited for each process only: " + controller.why);
  }

  void cpu() {
    std::optional<std::uint64_t> milli;
    if (wanted_.cpus) milli = static_cast<std::uint64_t>(std::llround(*wanted_.cpus * 1000));
    if (milli) plan_.cgroups.cpu_milli = static_cast<std::uint32_t>(*milli);
    const auto& controller = host_.cpu;
    state(api::Resource::cpu, milli, controller.mechanism,
          controller.mechanism == Mechanism::none ? "CPU time is not limited: " + controller.why : "");
  }

  void processes() {
    if (wanted_.processes) plan_.cgroups.processes = static_cast<std::uint32_t>(*wanted_.processes);
    const auto& controller = host_.processes;
    if (!wanted_.processes || controller.mechanism != Mechanism::none)
      return state(api::Resource::processes, wanted_.processes, controller.mechanism);
    plan_.processes_per_uid = wanted_.processes;
    state(api::Resource::processes, wanted_.processes, Mechanism::rlimit,
          "processes are limited for each uid of the sandbox only: " + controller.why);
  }

  void descriptors() {
    if (wanted_.descriptors) plan_.rlimits.push_back({RLIMIT_NOFILE, *wanted_.descriptors, *wanted_.descriptors});
    state(api::Resource::descriptors, wanted_.descriptors, Mechanism::rlimit);
  }

  void disk(Storage storage) {
    if (storage == Storage::memory) {
      plan_.storage_bytes = wanted_.disk_bytes.value_or(kDefaultTmpfs);
      return state(api::Resource::disk, plan_.storage_bytes, Mechanism::tmpfs);
    }
    if (!wanted_.disk_bytes) return state(api::Resource::disk, {}, Mechanism::none);
    plan_.status.push_back(watched_disk(*wanted_.disk_bytes));
    plan_.weaknesses.push_back(*plan_.status.back().note);
  }

  const api::SandboxLimits& wanted_;
  const CgroupHost& host_;
  LimitPlan plan_;
};

}  // namespace

api::LimitStatus watched_disk(std::uint64_t limit_bytes) {
  return {.resource = api::Resource::disk,
          .limit = limit_bytes,
          .mechanism = api::LimitMechanism::watched,
          .note =
              "what is written to the host's disk is watched every second and the sandbox frozen above its limit; "
              "what it writes until then is on top. A template with storage = \"memory\" has the kernel hold it"};
}

LimitPlan plan_limits(const api::SandboxLimits& wanted, const CgroupHost& host, Storage storage) {
  return Planner(wanted, host).plan(storage);
}

}  // namespace swarm::local
