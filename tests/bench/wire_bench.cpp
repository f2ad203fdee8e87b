// What a call on the socket costs: whole round trips to our router beside a bare libuv echo of the same bytes and
// beside Neovim's RPC, all with the same blocking client, in turns of one run. Then the same with our own client, bytes
// through a stream beside bytes through a bare socket, and the codec alone.

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cstdio>
#include <thread>

#include "protocol/async/task_set.hpp"
#include "protocol/transport/unix.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"
#include "protocol/wire/router.hpp"
#include "protocol/wire/scanner.hpp"
#include "tests/bench/echo.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/wire_rig.hpp"
#include "tests/fixtures/temporary_directory.hpp"

extern char** environ;

using namespace swarm;
using bench::answer_size;
using bench::Child;
using bench::die;
using bench::must;
using bench::request_bytes;
using bench::round_trip;
using bench::Server;
using bench::start;

namespace {

constexpr int kTurns = 20;
constexpr int kCallsATurn = 2000;

/// A request as clients send it: 100 bytes or so of named arguments.
Value typical_params() {
  Value request;
  request.set("data", Value(Value::Map{{"sandbox", "sabcdefghijklmnopqrst"},
                                       {"command", Value(Value::Array{"git", "status", "--short"})},
                                       {"timeout_ms", 30'000},
                                       {"pty", false}}));
  return Value(Value::Array{std::move(request)});
}

// --- servers, each in a process of its own ---------------------------------------------------------------------------

async::Task<> run(wire::Connection& connection) { static_cast<void>(co_await connection.run()); }

/// Takes a stream to its end and says how long it was.
async::Task<Result<Value>> swallow(wire::Connection& connection) {
  auto source = must(connection.open_source(1));
  std::int64_t total = 0;
  for (;;) {
    Result<std::optional<std::string>> chunk = co_await source->read();
    if (!chunk) co_return fail(chunk.error());
    if (!*chunk) break;
    total += static_cast<std::int64_t>((*chunk)->size());
  }
  co_return Value(total);
}

class BenchHandler final : public wire::Handler {
 public:
  explicit BenchHandler(wire::Router& router) : inner_(router, {}) {}
  wire::Reply request(wire::Connection& connection, wire::Incoming incoming) override {
    if (incoming.method == "swallow") return swallow(connection);
    return inner_.request(connection, std::move(incoming));
  }
  void notification(wire::Connection& connection, wire::Incoming incoming) override {
    inner_.notification(connection, std::move(incoming));
  }

 private:
  wire::PeerHandler inner_;
};

void serve_rpc(UniqueFd fd) {
  const SystemClock clock;
  async::Loop loop(clock);
  wire::Router router({.name = "bench", .version = "0", .features = {}}, clock);
  BenchHandler handler(router);
  wire::Connection connection(loop, std::make_unique<transport::FdStream>(loop, std::move(fd)), wire::Side::acceptor,
                              {}, &handler);
  loop.block_on(run(connection));
}

void serve_discard(UniqueFd fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  ::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK);
  std::vector<char> buffer(std::size_t{256} << 10U);
  while (::read(fd.get(), buffer.data(), buffer.size()) > 0) {
  }
}

// --- clients ---------------------------------------------------------------------------------------------------------

struct Bench {
  SystemClock clock;
  bench::Report report;

  void turn(const Server& server, const std::string& request, std::size_t answer, bench::Samples& samples) const {
    for (int i = 0; i < kCallsATurn; ++i) {
      const MonoTime start = clock.now();
      round_trip(server.fd.get(), request, answer);
      samples.add(clock.now() - start);
    }
  }

  void blocking_client() {
    const Server rpc = start(serve_rpc);
    const Server echo = start(bench::serve_echo);
    const std::string request = request_bytes("rpc.ping", typical_params());
    const std::size_t answer = answer_size(rpc.fd.get(), request);
    bench::Samples ours;
    bench::Samples theirs;
    for (int i = 0; i < kTurns; ++i) {
      turn(rpc, request, answer, ours);
      turn(echo, request, request.size(), theirs);
    }
    report.add_latency(fmt::format("rpc: round trip, {} bytes", request.size()), ours, "bare libuv echo", theirs);
    const double calls = kTurns * kCallsATurn;
    report.add({.name = "rpc: server CPU a call",
                .value = rpc.child->cpu_seconds() / calls * 1e6,
                .unit = "us",
                .rival = "bare libuv echo",
                .rival_value = echo.child->cpu_seconds() / calls * 1e6});
  }

  void neovim() {
    const test::TemporaryDirectory dir;
    const std::string path = dir / "nvim.sock";
    std::array<std::string, 5> words = {"nvim", "--headless", "--clean", "--listen", path};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int fd : {0, 1, 2}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    pid_t pid = 0;
    const int spawned = posix_spawnp(&pid, "nvim", &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (spawned != 0) {
      fmt::print("rpc: no nvim here: not compared with Neovim's RPC\n");
      return;
    }
    Server nvim{.child = std::make_unique<Child>(pid), .fd = {}};
    nvim.fd = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);  // NOLINT: the socket API's own cast
    for (int i = 0; ::connect(nvim.fd.get(), generic, sizeof address) != 0; ++i) {
      if (i == 500) die("nvim does not listen");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }

    const Server rpc = start(serve_rpc);
    // Each answers the smallest thing that it has.
    const std::string ping = request_bytes("rpc.ping", Value(Value::Array{}));
    const std::string mode = request_bytes("nvim_get_current_buf", Value(Value::Array{}));
    const std::size_t ping_answer = answer_size(rpc.fd.get(), ping);
    const std::size_t mode_answer = answer_size(nvim.fd.get(), mode);
    bench::Samples ours;
    bench::Samples theirs;
    for (int i = 0; i < kTurns; ++i) {
      turn(rpc, ping, ping_answer, ours);
      turn(nvim, mode, mode_answer, theirs);
    }
    report.add_latency("rpc: smallest round trip", ours, "Neovim's RPC", theirs);
  }

  static async::Task<> calls(wire::Connection& connection, const Clock& clock, const Value& data,
                             bench::Samples& samples) {
    for (int i = 0; i < kCallsATurn; ++i) {
      const MonoTime start = clock.now();
      const Result<api::RpcPingReply> pong = co_await wire::call(connection, api::kRpcPing, {.data = data});
      if (!pong) die(pong.error().to_string());
      samples.add(clock.now() - start);
    }
  }

  /// The rival's client: libuv at both ends.
  struct EchoClient {
    uv_loop_t loop{};
    uv_pipe_t pipe{};
    const Clock& clock;
    std::string request;
    std::size_t got = 0;
    int left = 0;
    MonoTime started;
    bench::Samples& samples;

    EchoClient(const Clock& c, std::string bytes, UniqueFd fd, bench::Samples& into)
        : clock(c), request(std::move(bytes)), samples(into) {
      uv_loop_init(&loop);
      uv_pipe_init(&loop, &pipe, 0);
      uv_pipe_open(&pipe, fd.release());
      pipe.data = this;
      uv_read_start(
          stream(),
          [](uv_handle_t*, std::size_t, uv_buf_t* into_buffer) {
            static std::array<char, 65536> buffer;
            *into_buffer = uv_buf_init(buffer.data(), buffer.size());
          },
          [](uv_stream_t* from, ssize_t size, const uv_buf_t*) {
            if (size < 0) die("the echo has gone");
            static_cast<EchoClient*>(from->data)->received(static_cast<std::size_t>(size));
          });
    }
    EchoClient(const EchoClient&) = delete;
    EchoClient& operator=(const EchoClient&) = delete;
    ~EchoClient() {
      uv_close(reinterpret_cast<uv_handle_t*>(&pipe), nullptr);  // NOLINT: libuv's own way to a base handle
      uv_run(&loop, UV_RUN_DEFAULT);
      uv_loop_close(&loop);
    }
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&pipe); }  // NOLINT: libuv's own way to a base handle
    void ask() {
      started = clock.now();
      got = 0;
      const uv_buf_t out = uv_buf_init(request.data(), static_cast<unsigned>(request.size()));
      if (uv_try_write(stream(), &out, 1) != static_cast<int>(request.size())) die("short write");
    }
    void received(std::size_t size) {
      got += size;
      if (got < request.size()) return;
      samples.add(clock.now() - started);
      if (--left == 0) {
        uv_stop(&loop);
      } else {
        ask();
      }
    }
    void turn() {
      left = kCallsATurn;
      ask();
      uv_run(&loop, UV_RUN_DEFAULT);
    }
  };

  void own_client() {
    Server rpc = start(serve_rpc);
    Server echo = start(bench::serve_echo);
    async::Loop loop(clock);
    bench::Samples ours;
    bench::Samples theirs;
    {
      wire::Connection connection(loop, std::make_unique<transport::FdStream>(loop, std::move(rpc.fd)),
                                  wire::Side::dialer, {}, nullptr);
      async::TaskSet running(loop);
      running.spawn(run(connection));
      const Value data = *typical_params().as_array()->front().find("data");
      EchoClient client(clock, request_bytes("rpc.ping", typical_params()), std::move(echo.fd), theirs);
      for (int i = 0; i < kTurns; ++i) {
        loop.block_on(calls(connection, clock, data, ours));
        client.turn();
      }
    }
    report.add_latency("rpc: typed call, both ends ours", ours, "libuv at both ends", theirs);
  }

  static async::Task<> push(wire::Connection& connection, std::size_t total) {
    async::Task<Result<Value>> call = connection.call("swallow", Value(Value::Array{}));
    auto sink = must(connection.open_sink(1));
    async::TaskSet calling(connection.loop());
    calling.spawn(finish(std::move(call), static_cast<std::int64_t>(total)));
    const std::string block(std::size_t{256} << 10U, 'x');
    for (std::size_t sent = 0; sent < total; sent += block.size()) {
      const Result<void> written = co_await sink->write(std::as_bytes(std::span(block)));
      must(written);
    }
    sink->end();
    co_await calling.join();
  }
  static async::Task<> finish(async::Task<Result<Value>> call, std::int64_t expected) {
    const Result<Value> total = co_await std::move(call);
    if (must(total) != Value(expected)) die("bytes were lost");
  }

  void stream_throughput() {
    constexpr std::size_t kBytesATurn = std::size_t{128} << 20U;
    Duration ours{0};
    Duration theirs{0};
    Server rpc = start(serve_rpc);
    async::Loop loop(clock);
    {
      wire::Connection connection(loop, std::make_unique<transport::FdStream>(loop, std::move(rpc.fd)),
                                  wire::Side::dialer, {}, nullptr);
      async::TaskSet running(loop);
      running.spawn(run(connection));
      const std::string block(std::size_t{256} << 10U, 'x');
      for (int i = 0; i < 10; ++i) {
        MonoTime started = clock.now();
        loop.block_on(push(connection, kBytesATurn));
        ours += clock.now() - started;
        Server discard = start(serve_discard);
        started = clock.now();
        for (std::size_t sent = 0; sent < kBytesATurn; sent += block.size()) {
          if (::write(discard.fd.get(), block.data(), block.size()) != static_cast<ssize_t>(block.size())) die("write");
        }
        theirs += clock.now() - started;
      }
    }
    const auto rate = [](Duration d) { return 10.0 * kBytesATurn / 1e6 / std::chrono::duration<double>(d).count(); };
    report.add({.name = "stream: bytes through",
                .value = rate(ours),
                .unit = "MB/s",
                .rival = "write and read on a socket",
                .rival_value = rate(theirs)});
  }

  void codec() {
    const std::string bytes = request_bytes("rpc.ping", typical_params());
    const auto frame = std::as_bytes(std::span(bytes));
    constexpr int kRounds = 200'000;
    Duration scanning{0};
    Duration decoding{0};
    std::size_t sum = 0;
    for (int turn = 0; turn < 5; ++turn) {
      MonoTime started = clock.now();
      wire::FrameScanner scanner{wire::Limits{}};
      for (int i = 0; i < kRounds / 5; ++i) {
        sum += must(scanner.scan(frame)) == wire::FrameScanner::Found::frame ? 1 : 0;
        scanner.next();
      }
      scanning += clock.now() - started;
      started = clock.now();
      for (int i = 0; i < kRounds / 5; ++i) sum += must(wire::decode_scanned(frame, "value")).as_array()->size();
      decoding += clock.now() - started;
    }
    if (sum != 5ULL * kRounds) die("codec");
    report.add({.name = fmt::format("codec: scan {} bytes", bytes.size()),
                .value = static_cast<double>(scanning.count()) / kRounds / 1000,
                .unit = "us",
                .rival = "decode into a Value",
                .rival_value = static_cast<double>(decoding.count()) / kRounds / 1000});
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::string json = bench::json_path_from(argc, argv);
  Bench bench;
  bench.codec();
  bench.blocking_client();
  bench.own_client();
  bench.neovim();
  bench.stream_throughput();
  if (!json.empty()) must(bench.report.write_json(json));
  return 0;
}
