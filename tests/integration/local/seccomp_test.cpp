// Each call of the filter's list is made outside, where something else than a filter answers, and then inside.

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <map>
#include <sstream>

#include "daemon/providers/local/command.hpp"
#include "tests/integration/local/rig.hpp"

using namespace swarm;

namespace {

std::map<std::string, int> parse(const std::string& text) {
  std::map<std::string, int> results;
  std::istringstream lines(text);
  std::string name;
  int error = 0;
  while (lines >> name >> error) results[name] = error;
  return results;
}

}  // namespace

TEST_CASE("the filter refuses what is on its list and nothing else", "[sandbox]") {
  test::RigOptions options;
  options.binds = {{.source = SWARM_BIN_DIR "/syscall-probe", .target = "/opt/tools/syscall-probe"}};
  test::Rig rig(options);
  auto outside = parse(local::run_to_end({SWARM_BIN_DIR "/syscall-probe"}, local::Environment::none).out);
  const auto run = rig.run("/opt/tools/syscall-probe 2>&1");
  INFO(run.text << " status " << run.status);
  auto inside = parse(run.text);
  REQUIRE(inside.size() == outside.size());
  REQUIRE(inside.size() > 20);
  for (const char* name : {"socket-unix", "socket-inet", "socket-inet6", "socket-route"}) {
    INFO(name);
    CHECK(inside[name] == 0);
  }
  for (const char* name : {"keyctl", "add_key", "request_key", "bpf", "userfaultfd", "perf_event_open", "kexec_load",
                           "unshare", "tiocsti", "tiocsti-high"}) {
    INFO(name);
    CHECK(inside[name] == EPERM);
  }
  for (const char* name : {"io_uring_setup", "clone3", "x32", "i386"}) {
    INFO(name);
    if (inside.contains(name)) CHECK(inside[name] == ENOSYS);
  }
  for (const char* name : {"socket-vsock", "socket-alg", "socket-packet", "socket-audit", "socket-high"}) {
    INFO(name);
    CHECK(inside[name] == EAFNOSUPPORT);
  }
  if (geteuid() != 0) return;
  // Root outside: whatever the kernel says, it is not what the filter says.
  for (const char* name : {"keyctl", "bpf", "userfaultfd", "unshare", "tiocsti", "tiocsti-high", "socket-packet"}) {
    INFO(name);
    CHECK(outside[name] != inside[name]);
  }
}
