#include "daemon/providers/local/limits.hpp"

#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "daemon/providers/local/probe.hpp"

using namespace swarm;
using namespace swarm::local;

namespace {

const api::SandboxLimits kWanted = {
    .memory_bytes = 1U << 30, .cpus = 1.5, .processes = 100, .descriptors = 1024, .disk_bytes = 1U << 30};

api::LimitStatus status(const LimitPlan& plan, api::Resource resource) {
  const auto found = std::ranges::find(plan.status, resource, &api::LimitStatus::resource);
  REQUIRE(found != plan.status.end());
  return *found;
}

bool limits(const LimitPlan& plan, int resource) {
  return std::ranges::find(plan.rlimits, resource, &Rlimit::resource) != plan.rlimits.end();
}

}  // namespace

TEST_CASE("what control groups hold is left to them") {
  CgroupHost host;
  host.memory = host.cpu = host.processes = {Mechanism::cgroup2, "/x", {}};
  const auto plan = plan_limits(kWanted, host, Storage::memory);
  CHECK(status(plan, api::Resource::memory).mechanism == api::LimitMechanism::cgroup_v2);
  CHECK(status(plan, api::Resource::disk).mechanism == api::LimitMechanism::tmpfs);
  CHECK(plan.cgroups.cpu_milli == 1500);
  CHECK_FALSE(limits(plan, RLIMIT_DATA));
  CHECK_FALSE(plan.processes_per_uid);
  CHECK(plan.weaknesses.empty());
}

TEST_CASE("without control groups the weaker holds are named") {
  CgroupHost host;
  host.memory.why = host.cpu.why = host.processes.why = "none here";
  const auto plan = plan_limits(kWanted, host, Storage::disk);
  CHECK(status(plan, api::Resource::memory).mechanism == api::LimitMechanism::rlimit);
  CHECK(status(plan, api::Resource::cpu).mechanism == api::LimitMechanism::none);
  CHECK(status(plan, api::Resource::processes).mechanism == api::LimitMechanism::rlimit);
  CHECK(status(plan, api::Resource::disk).mechanism == api::LimitMechanism::watched);
  CHECK(limits(plan, RLIMIT_DATA));
  CHECK(plan.processes_per_uid == 100);
  CHECK(plan.weaknesses.size() == 4);
}

TEST_CASE("core dumps never reach the host's handler") {
  const auto plan = plan_limits({}, {}, Storage::disk);
  REQUIRE(limits(plan, RLIMIT_CORE));
  CHECK(plan.rlimits.back().hard == 1);
}

TEST_CASE("versions and masked proc are recognised") {
  CHECK(parse_version("bubblewrap 0.8.0") == std::pair{0, 8});
  CHECK_FALSE(parse_version("bubblewrap"));
  CHECK_FALSE(parse_version("v1"));
  CHECK(is_proc_masked("22 21 0:5 / /proc rw - proc proc rw\n23 22 0:6 /null /proc/kcore rw - tmpfs t rw\n"));
  CHECK_FALSE(
      is_proc_masked("22 21 0:5 / /proc rw - proc proc rw\n23 22 0:6 / /proc/sys/fs/binfmt_misc rw - autofs a rw\n"));
}
