// How fast a tree travels: packed by one process, through a Unix socket, unpacked by another, beside two cat(1) and the
// same socket. Files lie in memory, so that the copying is measured and not the disk.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "protocol/transport/unix.hpp"
#include "protocol/tree/packer.hpp"
#include "protocol/tree/unpacker.hpp"
#include "tests/bench/report.hpp"

namespace {

using namespace swarm;

constexpr std::size_t kBytes = std::size_t{1} << 30U;
constexpr int kRounds = 5;

void require(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}

/// The raw bytes of a socket as a sink and a source: what a stream costs above that is the wire's to measure.
class SocketSink final : public wire::ByteSink {
 public:
  explicit SocketSink(transport::Stream& stream) : stream_(stream) {}
  async::Task<Result<void>> write(std::span<const std::byte> bytes) override {
    return transport::write_all(stream_, bytes);
  }
  void end() override { stream_.shutdown_write(); }
  void fail(Error) override { std::exit(2); }

 private:
  transport::Stream& stream_;
};

class SocketSource final : public wire::ByteSource {
 public:
  explicit SocketSource(transport::Stream& stream) : stream_(stream) {}
  async::Task<Result<std::optional<std::string>>> read() override {
    std::string chunk(std::size_t{64} << 10U, '\0');
    const auto got = co_await stream_.read(std::as_writable_bytes(std::span(chunk)));
    if (!got) co_return swarm::fail(got.error());
    if (*got == 0) co_return std::nullopt;
    chunk.resize(*got);
    co_return chunk;
  }

 private:
  transport::Stream& stream_;
};

UniqueFd open_directory(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int send(UniqueFd socket, const std::string& from) {
  const SystemClock clock;
  async::Loop loop(clock);
  transport::FdStream stream(loop, std::move(socket));
  SocketSink sink(stream);
  auto packer = tree::Packer::over(open_directory(from), {});
  return packer && loop.block_on(tree::pump_out(loop, *packer, sink)) ? 0 : 1;
}

int receive(UniqueFd socket, const std::string& to) {
  const SystemClock clock;
  async::Loop loop(clock);
  transport::FdStream stream(loop, std::move(socket));
  SocketSource source(stream);
  return loop.block_on(
             tree::pump_in(loop, std::make_shared<tree::Unpacker>(open_directory(to), tree::UnpackOptions{}), source))
             ? 0
             : 1;
}

int cat(UniqueFd from, UniqueFd to) {
  ::dup2(from.get(), 0);
  ::dup2(to.get(), 1);
  ::execlp("cat", "cat", nullptr);
  return 127;
}

/// Time on the clock, and processor time of both processes.
struct Cost {
  double wall;
  double cpu;
};

double cpu_of_children() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto in_seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
}

template <class First, class Second>
Cost measure(First first, Second second) {
  int fds[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, static_cast<int*>(fds)) == 0, "socketpair");
  UniqueFd one(fds[0]);
  UniqueFd other(fds[1]);
  const double cpu = cpu_of_children();
  const auto begin = std::chrono::steady_clock::now();
  const pid_t sender = ::fork();
  if (sender == 0) {
    other.reset();
    ::_exit(first(std::move(one)));
  }
  const pid_t receiver = ::fork();
  if (receiver == 0) {
    one.reset();
    ::_exit(second(std::move(other)));
  }
  one.reset();
  other.reset();
  for (const pid_t child : {sender, receiver}) {
    int status = 0;
    require(::waitpid(child, &status, 0) == child && status == 0, "a process failed");
  }
  return {.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
          .cpu = cpu_of_children() - cpu};
}

double median(const std::vector<Cost>& costs, double Cost::* which) {
  std::vector<double> values;
  for (const Cost& cost : costs) values.push_back(cost.*which);
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::string json = bench::json_path_from(argc, argv);
  std::string at = "/dev/shm/swarm-bench-XXXXXX";
  require(::mkdtemp(at.data()) != nullptr, "mkdtemp in /dev/shm");
  const std::string from = at + "/from";
  const std::string to = at + "/to";
  std::filesystem::create_directories(from);
  std::filesystem::create_directories(to);
  {
    const UniqueFd file(::open((from + "/big").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    const std::string block(std::size_t{1} << 20U, 'x');
    for (std::size_t done = 0; done < kBytes; done += block.size())
      require(::write(file.get(), block.data(), block.size()) > 0, "write");
  }
  std::vector<Cost> ours;
  std::vector<Cost> theirs;
  for (int round = 0; round < kRounds; ++round) {
    std::filesystem::remove(to + "/big");
    ours.push_back(measure([&](UniqueFd s) { return send(std::move(s), from); },
                           [&](UniqueFd s) { return receive(std::move(s), to); }));
    std::filesystem::remove(to + "/big");
    theirs.push_back(
        measure([&](UniqueFd s) { return cat(UniqueFd(::open((from + "/big").c_str(), O_RDONLY)), std::move(s)); },
                [&](UniqueFd s) {
                  return cat(std::move(s), UniqueFd(::open((to + "/big").c_str(), O_WRONLY | O_CREAT, 0644)));
                }));
  }
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  std::filesystem::remove_all(at);
  const auto rate = [](const std::vector<Cost>& costs) {
    return static_cast<double>(kBytes) / 1e6 / median(costs, &Cost::wall);
  };
  const std::string rival = "cat through a Unix socket";
  bench::Report report;
  report.add({.name = "tree of one large file",
              .value = rate(ours),
              .unit = "MB/s",
              .rival = rival,
              .rival_value = rate(theirs)});
  report.add({.name = "tree of one large file, processor time for 1 GiB",
              .value = median(ours, &Cost::cpu) * 1000,
              .unit = "ms",
              .rival = rival,
              .rival_value = median(theirs, &Cost::cpu) * 1000});
  fmt::print("largest process {} MB\n", usage.ru_maxrss / 1024);
  if (!json.empty() && !report.write_json(json)) return 1;
  return 0;
}
