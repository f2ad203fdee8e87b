#pragma once

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agentd/exec/execs.hpp"
#include "agentd/exec/foreground.hpp"
#include "agentd/exec/users.hpp"
#include "protocol/async/timer.hpp"
#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::tests {

using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers): tests only
using agentd::Exec;
using agentd::Execs;
using agentd::ExecSpec;
using agentd::ExecStreams;
using agentd::Foreground;
using agentd::Output;

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

/// Processes whose command line holds `mark`, this one left out.
inline std::vector<pid_t> processes_with(const std::string& mark) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos || name == std::to_string(getpid())) continue;
    std::ifstream file(entry.path() / "cmdline");
    std::ostringstream whole;
    whole << file.rdbuf();  // one that goes meanwhile cannot be read, which is no more than that
    const std::string line = whole.str();
    if (line.find(mark) != std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

/// The supervisor of a program, for example.
inline pid_t parent_of(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string skip;
  pid_t parent = 0;
  stat >> skip >> skip >> skip >> parent;
  return parent;
}

/// Execs on a real loop with real processes. At its end nothing may be left: no child (orphans come to us), no
/// descriptor.
class ExecFixture {
 public:
  ExecFixture() {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    std::filesystem::permissions(directory.path(), std::filesystem::perms(0711));
    start_agentd();
  }
  ExecFixture(const ExecFixture&) = delete;
  ExecFixture& operator=(const ExecFixture&) = delete;
  ~ExecFixture() {
    for (const auto& exec : execs->list()) exec->kill(0ms);
    wait_until([this] { return execs->running() == 0; });
    execs.reset();
    loop.run_until_idle();
    // Shims that a "dead" agentd left are our children still; in a sandbox init has them.
    wait_until([] {
      while (waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      return errno == ECHILD;
    });
  }

  /// A table of execs, as a (new) agentd would have; an old one goes first without a word, as by kill -9.
  void start_agentd() {
    execs.reset();
    loop.run_until_idle();
    execs = std::make_unique<Execs>(loop, options, random);
    const Result<void> recovered = loop.block_on(execs->recover());
    if (!recovered) FAIL(recovered.error().to_string());
  }

  /// A condition that only others can bring about, awaited with a deadline.
  template <class F>
  void wait_until(F condition, std::chrono::seconds within = 20s) {
    // Seen once is enough: what a process is doing may be something else a moment later.
    const bool came = loop.block_on(poll_until(condition, within));
    REQUIRE(came);
  }

  /// The result of a task; fails the test after a while.
  template <class T>
  T get(async::Task<Result<T>> task, std::chrono::seconds within = 60s) {
    Result<T> result = loop.block_on(async::with_timeout(loop, std::move(task), within, "test"));
    if (!result) FAIL(result.error().to_string());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }

  [[nodiscard]] ExecSpec shell(std::string line) const {
    ExecSpec spec;
    spec.argv = {"/bin/sh", "-c", std::move(line)};
    spec.env = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"};
    spec.user = *agentd::Users().find(std::to_string(geteuid()));
    spec.grace = 500ms;
    return spec;
  }

  /// Runs to the end with both outputs received.
  std::shared_ptr<Exec> run(ExecSpec spec, std::unique_ptr<wire::ByteSource> in = nullptr) {
    out.text.clear();
    err.text.clear();
    return get(run_task(std::move(spec), std::move(in)), 100s);
  }

  async::Task<Result<std::shared_ptr<Exec>>> run_task(ExecSpec spec, std::unique_ptr<wire::ByteSource> in) {
    ExecStreams streams{
        .in = std::move(in), .out = std::make_unique<MemorySink>(out), .err = std::make_unique<MemorySink>(err)};
    Result<std::unique_ptr<Foreground>> foreground =
        co_await execs->start_foreground(std::move(spec), std::move(streams));
    if (!foreground) co_return fail(foreground.error());
    std::shared_ptr<Exec> exec = (*foreground)->exec();
    co_await (*foreground)->finish();
    co_return exec;
  }

  SystemClock clock;
  async::Loop loop{clock};
  SystemRandom random;
  test::TemporaryDirectory directory;
  Execs::Options options{.shim = SWARM_SHIM_PATH, .directory = directory / "exec"};
  std::unique_ptr<Execs> execs;
  Received out{loop};
  Received err{loop};

 private:
  template <class F>
  async::Task<bool> poll_until(F condition, std::chrono::seconds within) {
    const MonoTime until = loop.clock().now() + within;
    for (;;) {
      if (condition()) co_return true;
      if (loop.clock().now() >= until) co_return false;
      co_await async::sleep_for(loop, 2ms);
    }
  }
};

}  // namespace swarm::tests
