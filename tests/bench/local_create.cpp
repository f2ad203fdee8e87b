// How long a local sandbox takes, by part, beside a bare `bwrap true` in the same run (A-B-A-B).
//
//   local_create [ROUNDS] [AT_ONCE]

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "daemon/providers/local/sandbox.hpp"

namespace {

namespace fs = std::filesystem;
using namespace swarm;
using namespace swarm::local;
using Clock = std::chrono::steady_clock;

double ms(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

/// One number a round; prints the median and the 99th percentile.
struct Series {
  const char* name;
  std::vector<double> values;

  void print() {
    std::ranges::sort(values);
    if (values.empty()) return;
    const auto at = [&](double share) {
      return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
    };
    std::printf("%-44s n=%-4zu p50=%7.2f ms  p99=%7.2f ms\n", name, values.size(), at(0.5), at(0.99));
  }
};

double bare_bwrap() {
  const auto begin = Clock::now();
  const char* argv[] = {"bwrap",     "--unshare-all", "--ro-bind", "/usr",          "/usr", "--symlink",
                        "usr/lib64", "/lib64",        "--symlink", "usr/lib",       "/lib", "--proc",
                        "/proc",     "--dev",         "/dev",      "/usr/bin/true", nullptr};
  pid_t pid = 0;
  posix_spawn(&pid, "/usr/bin/bwrap", nullptr, nullptr, const_cast<char**>(argv), environ);  // NOLINT
  waitpid(pid, nullptr, 0);
  return ms(begin, Clock::now());
}

/// True when the stand-in for agentd answered.
bool ask(const Host& host, const std::string& id) {
  const auto directory = open_directory(host, id);
  if (!directory) return false;
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path(*directory).c_str(), sizeof address.sun_path - 1);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
  const std::string request = "0\n!secret";
  if (write(fd.get(), request.data(), request.size()) < 0) return false;
  shutdown(fd.get(), SHUT_WR);
  std::array<char, 64> answer{};
  return read(fd.get(), answer.data(), answer.size()) > 0;
}

struct Times {
  double ready = 0;
  double answer = 0;
  double removed = 0;
};

Times one(const Host& host, const std::string& id) {
  SandboxRequest request;
  request.id = id;
  request.owner = "bench";
  request.template_name = "default";
  request.secret = std::string(32, 'x');
  request.lease = std::chrono::minutes(1);
  request.limits = {.memory_bytes = 512U << 20, .cpus = 1.0, .processes = 128, .descriptors = 1024, .disk_bytes = {}};
  Times times;
  const auto begin = Clock::now();
  auto running = create_sandbox(host, request);
  if (!running) {
    std::fprintf(stderr, "%s\n", running.error().to_string().c_str());
    std::exit(1);
  }
  const auto ready = Clock::now();
  times.ready = ms(begin, ready);
  if (!ask(host, id)) std::exit(1);
  const auto answered = Clock::now();
  times.answer = ms(begin, answered);
  (void)signal_process(running->init_pidfd.get(), SIGKILL);
  pollfd wait{.fd = running->init_pidfd.get(), .events = POLLIN, .revents = 0};
  poll(&wait, 1, 10'000);
  (void)remove_sandbox(host, running->record, running->monitor_pidfd.get());
  times.removed = ms(answered, Clock::now());
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 100;
  const int at_once = argc > 2 ? std::atoi(argv[2]) : 0;
  std::string directory = "/tmp/swarm-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return 1;
  Settings settings;
  settings.sandboxes = directory + "/sandboxes";
  settings.cache = directory + "/cache";
  settings.tools = directory + "/tools";
  settings.bundle = SWARM_TEST_BUNDLE;
  settings.programs = {.launcher = SWARM_BIN_DIR "/swarm-launch", .bwrap = "/usr/bin/bwrap"};
  std::vector<std::pair<const char*, std::shared_ptr<const Host>>> hosts;
  settings.templates["default"].storage = Storage::disk;
  hosts.emplace_back("disk", look_up_host(settings));
  settings.templates["default"].storage = Storage::memory;
  hosts.emplace_back("memory", look_up_host(settings));
  settings.cgroups = CgroupChoice::off;
  hosts.emplace_back("memory, no cgroups", look_up_host(settings));
  for (const auto& [name, host] : hosts) one(*host, "warm");

  Series rival{"bwrap --unshare-all true", {}};
  for (int i = 0; i < rounds; ++i) rival.values.push_back(bare_bwrap());
  for (const auto& [name, host] : hosts) {
    Series ready{"  to PID 1 ready", {}};
    Series answer{"  to the first answer of agentd's stand-in", {}};
    Series removed{"  kill and remove", {}};
    for (int i = 0; i < rounds; ++i) {
      const Times times = one(*host, "s" + std::to_string(i));
      ready.values.push_back(times.ready);
      answer.values.push_back(times.answer);
      removed.values.push_back(times.removed);
      rival.values.push_back(bare_bwrap());
    }
    std::printf("%s\n", name);
    ready.print();
    answer.print();
    removed.print();
  }
  rival.print();
  if (at_once > 0) {
    Series together{"to the first answer, all at once", {}};
    std::vector<std::thread> threads;
    std::vector<double> values(static_cast<std::size_t>(at_once));
    for (std::size_t i = 0; i < values.size(); ++i)
      threads.emplace_back([&, i] { values[i] = one(*hosts[0].second, "t" + std::to_string(i)).answer; });
    for (auto& thread : threads) thread.join();
    together.values = std::move(values);
    together.print();
  }
  std::error_code ignored;
  fs::remove_all(directory, ignored);
}
