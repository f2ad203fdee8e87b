#include "agentd/metrics/metrics.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "protocol/metrics/prefer.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::agentd;
namespace fs = std::filesystem;

namespace {

void spill(const std::string& path, std::string_view text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("figures come from proc, whatever a process calls itself") {
  const test::TemporaryDirectory at;
  const long ticks = ::sysconf(_SC_CLK_TCK);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto stat = [&](const std::string& name, long own, long children, int threads, int pages) {
    return "7 (" + name + ") S 1 7 7 0 -1 4194560 1 0 0 0 " + std::to_string(own * ticks) + " 0 " +
           std::to_string(children * ticks) + " 0 20 0 " + std::to_string(threads) + " 0 100 9999 " +
           std::to_string(pages) + " 18446744 1 1 0\n";
  };
  spill(at / "proc/7/stat", stat("evil) R 1 (x", 2, 3, 4, 100));
  spill(at / "proc/7/statm", "500 100 40 0 0 0 0\n");
  spill(at / "proc/8/stat", stat("b", 1, 0, 1, 50));
  spill(at / "proc/8/statm", "500 50 10 0 0 0 0\n");
  spill(at / "proc/9/stat", "torn");
  spill(at / "proc/self/net/dev",
        "Inter-|   Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n  eth0: 100 1 0 0 0 0 0 0 50 1 0 0 "
        "0 0 0 0\n");
  const FakeClock clock;
  MetricsSetup setup{.proc = at / "proc", .cgroup = at / "none", .disks = {}};
  auto metrics = read_metrics(setup, clock);
  REQUIRE(metrics);
  CHECK(metrics->cpu_us == 6'000'000);
  CHECK(metrics->processes == 5);
  CHECK(metrics->memory_bytes == (60 + 40 + 40) * page);
  CHECK(metrics->network_received_bytes == 100U);
  CHECK(metrics->network_sent_bytes == 50U);
  CHECK_FALSE(metrics->memory_limit_bytes);
  REQUIRE(metrics->top.size() == 2);
  CHECK(metrics->top[0].name.bytes == "evil) R 1 (x");
  CHECK(metrics->top[0].cpu_us == 2'000'000);

  spill(at / "cg/memory.current", "12345\n");
  spill(at / "cg/memory.max", "max\n");
  spill(at / "cg/pids.max", "99\n");
  spill(at / "cg/cpu.max", "50000 100000\n");
  spill(at / "cg/cpu.stat", "usage_usec 777\nuser_usec 1\n");
  spill(at / "cg/memory.events", "low 0\noom 2\noom_kill 1\n");
  setup.cgroup = at / "cg";
  metrics = read_metrics(setup, clock);
  CHECK(metrics->memory_bytes == 12345);
  CHECK(metrics->cpu_us == 777);
  CHECK_FALSE(metrics->memory_limit_bytes);
  CHECK(metrics->processes_limit == 99U);
  CHECK(metrics->cpus_limit == 0.5);
  CHECK(metrics->oom_kills == 1U);
  setup.proc = at / "missing";
  CHECK(read_metrics(setup, clock).error().code == Code::not_found);
}

TEST_CASE("the real proc gives real figures") {
  const SystemClock clock;
  const auto metrics = read_metrics({.disks = {}}, clock);
  REQUIRE(metrics);
  CHECK(metrics->processes >= 1);
  CHECK(metrics->memory_bytes > 100'000);
  CHECK_FALSE(metrics->top.empty());
}

TEST_CASE("what is measured outside goes before what is measured inside") {
  api::SandboxMetrics inside{.cpu_us = 1, .memory_bytes = 2, .disk_bytes = 3, .processes = 4, .oom_kills = 5};
  const auto both = prefer(inside, {.cpu_us = 10, .memory_limit_bytes = 7});
  CHECK(both.cpu_us == 10);
  CHECK(both.memory_bytes == 2);
  CHECK(both.memory_limit_bytes == 7U);
  CHECK(both.oom_kills == 5U);
}

TEST_CASE("on a disk that others use too, only the sandbox's own files count, each once") {
  const test::TemporaryDirectory at;  // beside everything else that the machine has there
  const std::string text(1 << 20, 'x');
  spill(at / "workspace/a/b/file", text);
  fs::create_hard_link(at / "workspace/a/b/file", at / "workspace/again");
  spill(at / "elsewhere/file", text);
  fs::create_directory_symlink(at / "elsewhere", at / "workspace/link");
  fs::create_directories(at / "tmp");
  DiskUse use;
  const std::uint64_t one = use.bytes({at / "workspace", at / "tmp", at / "missing"});
  CHECK(one >= text.size());
  CHECK(one < text.size() + (1 << 16));
  spill(at / "tmp/file", text);
  DiskUse fresh;
  CHECK(fresh.bytes({at / "workspace", at / "tmp"}) >= 2 * text.size());
}
