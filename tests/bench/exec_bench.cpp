// What an exec costs inside agentd, by part, beside a bare posix_spawn and waitpid of the same program; and bytes
// through a program's pipes beside a bare `cat`, in turns of the same run.
//
//   start   until the program was really started: request, supervisor's start, its report
//   finish  from there until it is known that the program and all that it started have ended

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "agentd/exec/foreground.hpp"
#include "agentd/exec/users.hpp"
#include "tests/bench/report.hpp"
#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;

namespace {

constexpr int kRounds = 400;
constexpr std::uint64_t kChunks = 8192;  // of 64 KiB: 512 MiB
const std::string kProgram = "/bin/true";

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "exec_bench: %s\n", result.error().to_string().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// posix_spawn and waitpid, nothing else.
Duration spawn_bare(const Clock& clock, const std::string& program) {
  const MonoTime begin = clock.now();
  std::array<char*, 2> argv = {const_cast<char*>(program.c_str()), nullptr};  // NOLINT: not written to
  pid_t pid = 0;
  if (posix_spawn(&pid, program.c_str(), nullptr, nullptr, argv.data(), environ) != 0) std::exit(1);
  waitpid(pid, nullptr, 0);
  return clock.now() - begin;
}

struct Parts {
  bench::Samples start;
  bench::Samples finish;
  bench::Samples whole;
};

struct Bench {
  SystemClock clock;
  async::Loop loop{clock};
  SystemRandom random;
  test::TemporaryDirectory directory;
  agentd::Execs execs{loop, {.shim = SWARM_SHIM_PATH, .directory = directory / "exec"}, random};
  tests::Received out{loop};
  tests::Received err{loop};

  agentd::ExecSpec spec(std::vector<std::string> argv) const {
    agentd::ExecSpec spec;
    spec.argv = std::move(argv);
    spec.env = {"PATH=/usr/bin:/bin"};
    spec.user = must(agentd::Users().find(std::to_string(geteuid())));
    return spec;
  }

  async::Task<Result<void>> run(agentd::ExecSpec spec, agentd::ExecStreams streams, Parts& parts) {
    const MonoTime begin = clock.now();
    auto foreground = co_await execs.start_foreground(std::move(spec), std::move(streams));
    if (!foreground) co_return fail(foreground.error());
    const MonoTime started = clock.now();
    co_await (*foreground)->finish();
    const MonoTime end = clock.now();
    parts.start.add(started - begin);
    parts.finish.add(end - started);
    parts.whole.add(end - begin);
    co_return {};
  }
};

double gib_per_s(std::uint64_t bytes, Duration took) {
  return static_cast<double>(bytes) / static_cast<double>(1U << 30U) / std::chrono::duration<double>(took).count();
}

/// 64 KiB writes into `cat` and reads of what it gives, by two threads without any event loop.
double bare_cat() {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0) std::exit(1);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string name = "cat";
  std::array<char*, 2> argv = {name.data(), nullptr};
  pid_t pid = 0;
  const SystemClock clock;
  const MonoTime begin = clock.now();
  if (posix_spawnp(&pid, "cat", &actions, nullptr, argv.data(), environ) != 0) std::exit(1);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  std::jthread writer([&in] {
    const std::string chunk(65536, 'x');
    for (std::uint64_t i = 0; i < kChunks; ++i) {
      for (std::size_t done = 0; done < chunk.size();) {
        const ssize_t size = write(in[1], chunk.data() + done, chunk.size() - done);
        if (size <= 0) return;
        done += static_cast<std::size_t>(size);
      }
    }
    close(in[1]);
  });
  std::string buffer(65536, '\0');
  std::uint64_t total = 0;
  for (ssize_t size = 0; (size = read(out[0], buffer.data(), buffer.size())) > 0;)
    total += static_cast<std::uint64_t>(size);
  waitpid(pid, nullptr, 0);
  close(out[0]);
  return gib_per_s(total, clock.now() - begin);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string json = bench::json_path_from(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  bench::Report report;
  Bench bench;
  must(bench.loop.block_on(bench.execs.recover()));
  Parts plain;
  Parts captured;
  bench::Samples bare;
  bench::Samples shim_start;  // the supervisor alone: started without a request it ends at once
  for (int i = 0; i < kRounds; ++i) {
    bare.add(spawn_bare(bench.clock, kProgram));
    must(bench.loop.block_on(bench.run(bench.spec({kProgram}), {}, plain)));
    shim_start.add(spawn_bare(bench.clock, SWARM_SHIM_PATH));
    agentd::ExecStreams streams{.in = nullptr,
                                .out = std::make_unique<tests::MemorySink>(bench.out),
                                .err = std::make_unique<tests::MemorySink>(bench.err)};
    must(bench.loop.block_on(bench.run(bench.spec({kProgram}), std::move(streams), captured)));
  }
  report.add_latency("exec true", plain.whole, "posix_spawn and waitpid of the same", bare);
  report.add_latency("exec true, both outputs", captured.whole, "posix_spawn and waitpid of the same", bare);
  report.add_latency("exec true: start", plain.start, "posix_spawn and waitpid of the same", bare);
  report.add_latency("exec true: finish", plain.finish, "posix_spawn and waitpid of the same", bare);
  report.add_latency("exec true: supervisor alone", shim_start, "posix_spawn and waitpid of true", bare);

  bench.out.keep = false;
  bench.out.bytes = 0;
  Parts cat;
  agentd::ExecStreams streams{.in = std::make_unique<tests::RepeatingSource>(std::string(65536, 'x'), kChunks),
                              .out = std::make_unique<tests::MemorySink>(bench.out),
                              .err = nullptr};
  must(bench.loop.block_on(bench.run(bench.spec({"cat"}), std::move(streams), cat)));
  report.add({.name = "bytes through exec cat",
              .value = gib_per_s(bench.out.bytes, cat.whole.percentile(50)),
              .unit = "GiB/s",
              .rival = "two threads and cat",
              .rival_value = bare_cat()});
  bench.loop.block_on(bench.execs.shutdown());
  bench.loop.run_until_idle();
  if (!json.empty()) must(report.write_json(json));
  return 0;
}
