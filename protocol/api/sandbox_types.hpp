#pragma once
// What is said about a sandbox: states, limits and what holds them, isolation, metrics.

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class SandboxState : std::uint8_t {
  requested,
  creating,
  starting,
  ready,
  claimed,
  paused,
  stopping,
  gone,
  unknown,
  lost,
  failed,
};

template <class D>
void describe_enum(D& d, SandboxState*) {
  d.type("SandboxState", "Where a sandbox is in its life.");
  d.value("requested", SandboxState::requested, "Recorded; nothing was asked of a provider yet.");
  d.value("creating", SandboxState::creating, "The provider was asked.");
  d.value("starting", SandboxState::starting, "It exists; its agentd has not answered yet.");
  d.value("ready", SandboxState::ready, "It answers and nobody uses it (pool).");
  d.value("claimed", SandboxState::claimed, "Somebody uses it.");
  d.value("paused", SandboxState::paused, "Its programs stand still.");
  d.value("stopping", SandboxState::stopping, "It is being ended.");
  d.value("gone", SandboxState::gone, "It ended and nothing of it is left.");
  d.value("unknown", SandboxState::unknown, "The provider's answer was lost; it is looked up, never created again.");
  d.value("lost", SandboxState::lost, "The provider no longer lists it.");
  d.value("failed", SandboxState::failed, "It could not be made.");
  d.unknown(SandboxState::unknown);
}

enum class Identity : std::uint8_t { unknown, cooperative, enforced };

template <class D>
void describe_enum(D& d, Identity*) {
  d.type("Identity", "How sure it is who inside a sandbox speaks.");
  d.value("unknown", Identity::unknown, "Not determined yet.");
  d.value("cooperative", Identity::cooperative, "All programs share one uid: one agent can pass for another.");
  d.value("enforced", Identity::enforced, "Every agent has a uid of its own, which the kernel reports.");
  d.unknown(Identity::unknown);
}

enum class IsolationKind : std::uint8_t { unknown, namespaces, container, microvm };

template <class D>
void describe_enum(D& d, IsolationKind*) {
  d.type("IsolationKind", "What stands between a sandbox and its host.");
  d.value("unknown", IsolationKind::unknown, "Not determined yet.");
  d.value("namespaces", IsolationKind::namespaces, "Linux namespaces, seccomp and an unprivileged uid.");
  d.value("container", IsolationKind::container, "A container engine.");
  d.value("microvm", IsolationKind::microvm, "A virtual machine with its own kernel.");
  d.unknown(IsolationKind::unknown);
}

enum class NetworkMode : std::uint8_t { off, allow, on };

template <class D>
void describe_enum(D& d, NetworkMode*) {
  d.type("NetworkMode", "What a sandbox may reach.");
  d.value("off", NetworkMode::off, "Nothing but itself.");
  d.value("allow", NetworkMode::allow, "The hosts of `allow`, through the daemon's proxy.");
  d.value("on", NetworkMode::on, "Everything that the host reaches, except the host itself and private networks.");
}

struct NetworkPolicy {
  NetworkMode mode = NetworkMode::off;
  std::vector<std::string> allow;
  bool operator==(const NetworkPolicy&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NetworkPolicy", "What a sandbox may reach.");
    d.field("mode", &NetworkPolicy::mode, "How much.");
    d.field("allow", &NetworkPolicy::allow, "Host names for mode `allow`; `*.example.org` stands for all below it.")
        .max_length(1000);
  }
};

struct SandboxLimits {
  std::optional<std::uint64_t> memory_bytes;
  std::optional<double> cpus;
  std::optional<std::uint64_t> processes;
  std::optional<std::uint64_t> descriptors;
  std::optional<std::uint64_t> disk_bytes;
  bool operator==(const SandboxLimits&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxLimits", "What a sandbox may use; what is absent is as the template says.");
    d.field("memory_bytes", &SandboxLimits::memory_bytes, "Memory of all its programs.").min(16.0 * 1024 * 1024);
    d.field("cpus", &SandboxLimits::cpus, "Processors' worth of CPU time: 1.5.").min(0.01).max(1024);
    d.field("processes", &SandboxLimits::processes, "Processes and threads.").min(8);
    d.field("descriptors", &SandboxLimits::descriptors, "Open descriptors of one process.").min(64);
    d.field("disk_bytes", &SandboxLimits::disk_bytes, "What it may write.").min(1024.0 * 1024);
  }
};

enum class Resource : std::uint8_t { memory, cpu, processes, descriptors, disk, other };

template <class D>
void describe_enum(D& d, Resource*) {
  d.type("Resource", "What is limited.");
  d.value("memory", Resource::memory, "Memory, in bytes.");
  d.value("cpu", Resource::cpu, "CPU time, in thousandths of a processor.");
  d.value("processes", Resource::processes, "Processes and threads.");
  d.value("descriptors", Resource::descriptors, "Open descriptors of one process.");
  d.value("disk", Resource::disk, "What is written, in bytes.");
  d.value("other", Resource::other, "Something that this version has no name for.");
  d.unknown(Resource::other);
}

enum class LimitMechanism : std::uint8_t {
  none,
  cgroup_v2,
  cgroup_v1,
  rlimit,
  tmpfs,
  project_quota,
  loop_image,
  watched,
  provider,
};

template <class D>
void describe_enum(D& d, LimitMechanism*) {
  d.type("LimitMechanism", "What holds a sandbox to a limit.");
  d.value("none", LimitMechanism::none, "Nothing here can: the limit is not held.");
  d.value("cgroup_v2", LimitMechanism::cgroup_v2, "The kernel, for the sandbox as a whole.");
  d.value("cgroup_v1", LimitMechanism::cgroup_v1, "The kernel, for the sandbox as a whole, by the older interface.");
  d.value("rlimit", LimitMechanism::rlimit, "The kernel, for each process (memory) or uid (processes) by itself.");
  d.value("tmpfs", LimitMechanism::tmpfs, "The size of a file system in memory.");
  d.value("project_quota", LimitMechanism::project_quota, "A quota of the host's file system.");
  d.value("loop_image", LimitMechanism::loop_image, "The size of a file system image.");
  d.value("watched", LimitMechanism::watched, "Measured every few seconds; the sandbox is frozen at the limit.");
  d.value("provider", LimitMechanism::provider, "The provider, by the size of the machine.");
  d.unknown(LimitMechanism::none);
}

struct LimitStatus {
  Resource resource = Resource::memory;
  std::optional<std::uint64_t> limit;
  LimitMechanism mechanism = LimitMechanism::none;
  std::optional<std::string> note;
  bool operator==(const LimitStatus&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LimitStatus", "A limit and what holds it.");
    d.field("resource", &LimitStatus::resource, "Of what.").required();
    d.field("limit", &LimitStatus::limit, "How much, in the resource's unit; absent when unlimited.");
    d.field("mechanism", &LimitStatus::mechanism, "What holds it.").required();
    d.field("note", &LimitStatus::note, "What to know about it, for example why a better mechanism could not be had.");
  }
};

enum class PauseMechanism : std::uint8_t { none, freezer, sigstop, provider };

template <class D>
void describe_enum(D& d, PauseMechanism*) {
  d.type("PauseMechanism", "How a sandbox is paused.");
  d.value("none", PauseMechanism::none, "It cannot be.");
  d.value("freezer", PauseMechanism::freezer, "The kernel's freezer: nothing in it runs or notices.");
  d.value("sigstop", PauseMechanism::sigstop,
          "A stop signal to each process: a program can notice, and a fast forker slip.");
  d.value("provider", PauseMechanism::provider, "The provider keeps its memory and ends the machine.");
  d.unknown(PauseMechanism::none);
}

struct Isolation {
  IsolationKind kind = IsolationKind::unknown;
  NetworkPolicy network;
  bool seccomp = false;
  bool nested_user_namespaces = false;
  bool host_uid_is_root = false;
  std::uint32_t uids = 0;
  std::vector<std::string> weaknesses;
  bool operator==(const Isolation&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("Isolation", "What a sandbox is kept from, and where this machine could not give all of it.");
    d.field("kind", &Isolation::kind, "What stands between it and the host.").required();
    d.field("network", &Isolation::network, "What it may reach.").required();
    d.field("seccomp", &Isolation::seccomp, "Its system calls are filtered.").required();
    d.field("nested_user_namespaces", &Isolation::nested_user_namespaces,
            "It may make user namespaces (the template asked).");
    d.field("host_uid_is_root", &Isolation::host_uid_is_root, "A uid of it is root on the host; always false here.");
    d.field("uids", &Isolation::uids, "How many uids it has.");
    d.field("weaknesses", &Isolation::weaknesses, "What is weaker than it should be, and why.");
  }
};

enum class TunnelState : std::uint8_t { down, connecting, up };

template <class D>
void describe_enum(D& d, TunnelState*) {
  d.type("TunnelState", "Whether the daemon reaches a sandbox's agentd.");
  d.value("down", TunnelState::down, "It does not.");
  d.value("connecting", TunnelState::connecting, "It tries to.");
  d.value("up", TunnelState::up, "It does.");
  d.unknown(TunnelState::down);
}

/// A machine as seen from inside.
struct SystemInfo {
  std::string os;
  std::string kernel;
  std::string arch;
  std::string hostname;
  double cpus = 0;
  std::uint64_t memory_bytes = 0;
  bool operator==(const SystemInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SystemInfo", "A sandbox's system as seen from inside.");
    d.field("os", &SystemInfo::os, "PRETTY_NAME of os-release.");
    d.field("kernel", &SystemInfo::kernel, "Kernel release.");
    d.field("arch", &SystemInfo::arch, "Machine architecture: x86_64, aarch64.");
    d.field("hostname", &SystemInfo::hostname, "Its name.");
    d.field("cpus", &SystemInfo::cpus, "Processors that it may use.");
    d.field("memory_bytes", &SystemInfo::memory_bytes, "Memory that it may use.");
  }
};

/// Everything about one sandbox.
struct SandboxInfo {
  std::string id;
  std::optional<std::string> name;
  SandboxState state = SandboxState::requested;
  std::optional<std::string> reason;
  std::string template_name;
  std::string provider;
  std::optional<std::string> provider_id;
  std::optional<std::string> fallback;
  std::optional<std::string> swarm;
  std::map<std::string, std::string> labels;
  std::int64_t created_us = 0;
  std::int64_t changed_us = 0;
  std::optional<std::int64_t> ready_us;
  std::optional<std::int64_t> ended_us;
  std::optional<std::int64_t> lease_expires_us;
  std::optional<std::int64_t> lifetime_ends_us;
  std::optional<std::chrono::milliseconds> idle_pause_ms;
  std::optional<std::chrono::milliseconds> idle_kill_ms;
  bool from_pool = false;
  TunnelState tunnel = TunnelState::down;
  std::optional<std::string> agentd_version;
  Identity identity = Identity::unknown;
  Isolation isolation;
  std::vector<LimitStatus> limits;
  PauseMechanism pause = PauseMechanism::none;
  std::optional<Path> workspace;
  std::optional<std::string> user;
  std::optional<SystemInfo> system;
  bool operator==(const SandboxInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxInfo", "A sandbox.");
    d.field("id", &SandboxInfo::id, "Its id: `s` and 20 of [a-z2-7].").required();
    d.field("name", &SandboxInfo::name, "Its name for people.");
    d.field("state", &SandboxInfo::state, "Where it is in its life.").required();
    d.field("reason", &SandboxInfo::reason, "Why it is in this state, where that needs saying.");
    d.field("template", &SandboxInfo::template_name, "What it was made from.").required();
    d.field("provider", &SandboxInfo::provider, "Who made it.").required();
    d.field("provider_id", &SandboxInfo::provider_id, "The provider's own name for it.");
    d.field("fallback", &SandboxInfo::fallback, "Why an earlier provider of the configured order was passed over.");
    d.field("swarm", &SandboxInfo::swarm, "The swarm that it is for.");
    d.field("labels", &SandboxInfo::labels, "Its labels.");
    d.field("created_us", &SandboxInfo::created_us, "When it was asked for, UTC.").required();
    d.field("changed_us", &SandboxInfo::changed_us, "When it came into this state, UTC.").required();
    d.field("ready_us", &SandboxInfo::ready_us, "When it first answered, UTC.");
    d.field("ended_us", &SandboxInfo::ended_us, "When it ended, UTC.");
    d.field("lease_expires_us", &SandboxInfo::lease_expires_us, "When it ends unless it is used or extended, UTC.");
    d.field("lifetime_ends_us", &SandboxInfo::lifetime_ends_us, "When it ends in any case, UTC.");
    d.field("idle_pause_ms", &SandboxInfo::idle_pause_ms, "It is paused after so long without use.");
    d.field("idle_kill_ms", &SandboxInfo::idle_kill_ms, "It ends after so long without use.");
    d.field("from_pool", &SandboxInfo::from_pool, "It had been waiting in the pool.");
    d.field("tunnel", &SandboxInfo::tunnel, "Whether the daemon reaches it.");
    d.field("agentd_version", &SandboxInfo::agentd_version, "Version of its agentd.");
    d.field("identity", &SandboxInfo::identity, "How sure it is who inside speaks.");
    d.field("isolation", &SandboxInfo::isolation, "What it is kept from.");
    d.field("limits", &SandboxInfo::limits, "Its limits and what holds each.");
    d.field("pause", &SandboxInfo::pause, "How it is paused.");
    d.field("workspace", &SandboxInfo::workspace, "Where work is, inside.");
    d.field("user", &SandboxInfo::user, "As whom programs run inside unless asked otherwise.");
    d.field("system", &SandboxInfo::system, "Its system as seen from inside, once it has answered.");
  }
};

struct ProcessMetrics {
  std::uint32_t pid = 0;
  std::uint32_t uid = 0;
  Text name;
  std::uint64_t memory_bytes = 0;
  std::uint64_t cpu_us = 0;
  bool operator==(const ProcessMetrics&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProcessMetrics", "One process.");
    d.field("pid", &ProcessMetrics::pid, "Its id inside the sandbox.").required();
    d.field("uid", &ProcessMetrics::uid, "Its user inside the sandbox.").required();
    d.field("name", &ProcessMetrics::name, "Its name.").required();
    d.field("memory_bytes", &ProcessMetrics::memory_bytes, "Memory in use (RSS).").required();
    d.field("cpu_us", &ProcessMetrics::cpu_us, "CPU time so far.").required();
  }
};

struct SandboxMetrics {
  std::int64_t time_us = 0;
  std::uint64_t cpu_us = 0;
  std::optional<double> cpus_limit;
  std::uint64_t memory_bytes = 0;
  std::optional<std::uint64_t> memory_peak_bytes;
  std::optional<std::uint64_t> memory_limit_bytes;
  std::uint64_t disk_bytes = 0;
  std::optional<std::uint64_t> disk_limit_bytes;
  std::uint64_t processes = 0;
  std::optional<std::uint64_t> processes_limit;
  std::optional<std::uint64_t> network_received_bytes;
  std::optional<std::uint64_t> network_sent_bytes;
  std::optional<std::uint64_t> oom_kills;
  std::vector<ProcessMetrics> top;
  bool operator==(const SandboxMetrics&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxMetrics", "What a sandbox uses.");
    d.field("time_us", &SandboxMetrics::time_us, "When this was measured, UTC.").required();
    d.field("cpu_us", &SandboxMetrics::cpu_us, "CPU time of all its programs since it started.").required();
    d.field("cpus_limit", &SandboxMetrics::cpus_limit, "Processors' worth that it may use.");
    d.field("memory_bytes", &SandboxMetrics::memory_bytes, "Memory in use.").required();
    d.field("memory_peak_bytes", &SandboxMetrics::memory_peak_bytes, "Most memory that was in use at once.");
    d.field("memory_limit_bytes", &SandboxMetrics::memory_limit_bytes, "Memory that it may use.");
    d.field("disk_bytes", &SandboxMetrics::disk_bytes, "What it has written and not removed.").required();
    d.field("disk_limit_bytes", &SandboxMetrics::disk_limit_bytes, "What it may write.");
    d.field("processes", &SandboxMetrics::processes, "Processes and threads.").required();
    d.field("processes_limit", &SandboxMetrics::processes_limit, "How many it may have.");
    d.field("network_received_bytes", &SandboxMetrics::network_received_bytes, "Bytes received from outside.");
    d.field("network_sent_bytes", &SandboxMetrics::network_sent_bytes, "Bytes sent outside.");
    d.field("oom_kills", &SandboxMetrics::oom_kills, "Programs that were ended because memory was used up.");
    d.field("top", &SandboxMetrics::top, "Processes that use most memory, at most 20.");
  }
};

}  // namespace swarm::api
