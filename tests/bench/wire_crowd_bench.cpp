// What a thousand bad peers cost a good one: round trips to a server with a crowd on it beside round trips to the same
// server without, in turns of one run. The crowd: a third that began a message and never ends it, a third that asked
// for more than it ever reads, a third with calls that never end, a few that ask as fast as they can, and one that
// sends a byte now and then.
//
// Measured three times: while the server still works off what the second third asked for (some five million calls),
// when that is done, and without the few. The first two have a bare libuv echo with as many busy peers beside them.

#include <sys/resource.h>

#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/wire/router.hpp"
#include "tests/bench/echo.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/wire_rig.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::bench;

namespace {

constexpr int kTurns = 20;
constexpr int kCallsATurn = 1000;
constexpr std::size_t kCrowd = 1000;
constexpr std::size_t kBusy = 4;

async::Task<Result<Value>> never(async::Loop& loop) {
  async::Event forever(loop);
  co_await forever.wait();
  co_return Value();
}

class CrowdHandler final : public wire::Handler {
 public:
  explicit CrowdHandler(wire::Router& router) : inner_(router, {}) {}
  wire::Reply request(wire::Connection& connection, wire::Incoming incoming) override {
    if (incoming.method == "never") return never(connection.loop());
    return inner_.request(connection, std::move(incoming));
  }
  void notification(wire::Connection&, wire::Incoming) override {}

 private:
  wire::PeerHandler inner_;
};

async::Task<> serve_one(async::Loop& loop, wire::Router& router, std::unique_ptr<transport::FdStream> stream) {
  CrowdHandler handler(router);
  wire::Connection connection(loop, std::move(stream), wire::Side::acceptor, {}, &handler);
  static_cast<void>(co_await connection.run());
}

async::Task<> serve(async::Loop& loop, wire::Router& router, UniqueFd fd) {
  transport::UnixListener listener(loop, std::move(fd));
  async::TaskSet connections(loop);
  for (;;) {
    auto stream = co_await listener.accept();
    if (stream) connections.spawn(serve_one(loop, router, std::move(*stream)));
  }
}

/// A server on a socket at `path`.
Server listen(const std::string& path) {
  UniqueFd listener = must(transport::bind_unix(path, 0600));
  return start([&listener](const UniqueFd&) {
    const SystemClock clock;
    async::Loop loop(clock);
    wire::Router router({.name = "bench", .version = "0", .features = {}}, clock);
    loop.block_on(serve(loop, router, std::move(listener)));
  });
}

void send_what_fits(int fd, std::string_view bytes) {
  static_cast<void>(::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

/// A process that asks as fast as the answers come, 50 calls at a time; it begins stopped.
Server busy_peer(UniqueFd fd, std::size_t answer) {
  Server peer = start([&fd, answer](const UniqueFd&) {
    const std::string many = repeated(request_bytes("rpc.ping", Value(Value::Array{})), 50);
    for (;;) round_trip(fd.get(), many, answer * 50);
  });
  ::kill(peer.child->pid(), SIGSTOP);
  return peer;
}

void signal_all(const std::vector<Server>& peers, int signal) {
  for (const Server& peer : peers) ::kill(peer.child->pid(), signal);
}

/// Whether the process used more than half of the next 100 ms.
bool works(const Child& process) {
  const double before = process.cpu_seconds();
  ::usleep(100'000);
  return process.cpu_seconds() - before > 0.05;
}

std::int64_t resident_kb(pid_t pid) {
  std::FILE* file = std::fopen(fmt::format("/proc/{}/statm", pid).c_str(), "r");
  if (file == nullptr) return 0;
  long pages = 0;
  const int got = std::fscanf(file, "%*d %ld", &pages);
  std::fclose(file);
  return got == 1 ? pages * 4 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string json = json_path_from(argc, argv);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  const test::TemporaryDirectory dir;
  const Server calm = listen(dir / "calm");
  const Server crowded = listen(dir / "crowded");
  const std::int64_t before_kb = resident_kb(crowded.child->pid());

  const std::string ping = request_bytes("rpc.ping", Value(Value::Array{}));
  const std::string flood = repeated(request_bytes("rpc.ping", Value(Value::Array{})), 20'000);
  std::string calls;
  for (std::uint32_t id = 0; id < 100; ++id) wire::append_request(calls, id, "never", Value());
  std::vector<UniqueFd> crowd;
  for (std::size_t i = 0; i < kCrowd; ++i) {
    crowd.push_back(dial(dir / "crowded"));
    const int fd = crowd.back().get();
    switch (i % 3) {
      case 0:
        send_what_fits(fd, std::string_view(ping).substr(0, 5));
        break;
      case 1:
        send_what_fits(fd, flood);
        break;
      default:
        send_what_fits(fd, calls);
        break;
    }
  }

  const SystemClock clock;
  const UniqueFd to_calm = dial(dir / "calm");
  const UniqueFd to_crowded = dial(dir / "crowded");
  const std::size_t answer = answer_size(to_calm.get(), ping);
  static_cast<void>(answer_size(to_crowded.get(), ping));

  // The echo's ends: one for the good peer, and one for each busy peer of its own. An echo answers as long as it is
  // asked.
  std::vector<UniqueFd> echo_ends;
  std::vector<UniqueFd> echo_peers;
  for (std::size_t i = 0; i <= kBusy; ++i) {
    auto [ours, theirs] = must(transport::socket_pair());
    ::fcntl(ours.get(), F_SETFL, ::fcntl(ours.get(), F_GETFL) & ~O_NONBLOCK);
    echo_peers.push_back(std::move(ours));
    echo_ends.push_back(std::move(theirs));
  }
  const Server echo = start([&echo_ends](const UniqueFd&) { serve_echoes(std::move(echo_ends)); });
  echo_ends.clear();
  const UniqueFd to_echo = std::move(echo_peers.back());
  echo_peers.pop_back();

  std::vector<Server> busy;
  std::vector<Server> busy_at_echo;
  for (UniqueFd& fd : echo_peers) {
    busy.push_back(busy_peer(dial(dir / "crowded"), answer));
    busy_at_echo.push_back(busy_peer(std::move(fd), ping.size()));
  }

  const auto turn = [&](const UniqueFd& fd, std::size_t size, Samples& samples) {
    for (int i = 0; i < kCallsATurn; ++i) {
      const MonoTime started = clock.now();
      round_trip(fd.get(), ping, size);
      samples.add(clock.now() - started);
    }
  };
  Report report;
  const auto beside_busy = [&](std::string_view which) {
    Samples ours;
    Samples theirs;
    for (int i = 0; i < kTurns; ++i) {
      signal_all(busy, SIGCONT);
      turn(to_crowded, answer, ours);
      signal_all(busy, SIGSTOP);
      signal_all(busy_at_echo, SIGCONT);
      turn(to_echo, ping.size(), theirs);
      signal_all(busy_at_echo, SIGSTOP);
      send_what_fits(crowd[0].get(), std::string_view(ping).substr(5, 1));  // a byte now and then
    }
    report.add_latency(fmt::format("crowd: round trip beside 1,000 bad peers, {}", which), ours,
                       "a bare libuv echo with 4 busy ones", theirs);
  };
  beside_busy("4 busy, and floods");
  while (works(*crowded.child)) {
  }
  beside_busy("4 busy");
  report.add({.name = "crowd: memory of the server",
              .value = static_cast<double>(resident_kb(crowded.child->pid())) / 1024,
              .unit = "MB",
              .rival = "before they came",
              .rival_value = static_cast<double>(before_kb) / 1024});
  busy.clear();
  busy_at_echo.clear();
  Samples stuck;
  Samples again;
  for (int i = 0; i < kTurns; ++i) {
    turn(to_crowded, answer, stuck);
    turn(to_calm, answer, again);
  }
  report.add_latency("crowd: the same, the busy ones gone", stuck, "the same without them", again);
  if (!json.empty()) must(report.write_json(json));
  return 0;
}
