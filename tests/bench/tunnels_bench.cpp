// What tunnels to sandboxes at E2B cost the daemon: N of them at once as WebSockets over TCP, plain and with TLS, with
// the code of both ends that the product has (curl's connection, WebSocket, handshake, session, MessagePack-RPC). The
// peers are one process of their own. A round trip beside the others has the same tunnel alone as its rival; memory has
// what the design allows.
//
//   tunnels_bench [--json FILE]          TUNNELS_BENCH="1000 5000" says how many

#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <sys/resource.h>

#include <ctime>

#include "agentd/tunnel/path.hpp"
#include "daemon/http/tls.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/http/client.hpp"
#include "protocol/http/url.hpp"
#include "protocol/transport/tcp.hpp"
#include "protocol/websocket/stream.hpp"
#include "protocol/wire/router.hpp"
#include "protocol/wire/tunnel_acceptor.hpp"
#include "protocol/wire/tunnel_dialer.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/wire_rig.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::bench;
using namespace std::chrono_literals;

namespace {

constexpr int kCalls = 4000;
constexpr std::size_t kDialsAtOnce = 64;
constexpr Duration kPatience = 120s;  // on a machine that is busy
constexpr Duration kIdle = 10s;
constexpr double kAllowedBytesEach = 400.0 * 1024 * 1024 / 5000;  // by the design

wire::HandshakeIdentity identity(const wire::TunnelSecret& secret) {
  return {.secret = secret.copy(),
          .sandbox_id = "saaaaaaaaaaaaaaaaaaaa",
          .version = {0, 1, 0},
          .features = {},
          .deadline = kPatience};
}

using StreamPtr = std::unique_ptr<transport::Stream>;

/// What a peer's acceptor is given: the one stream that came, then nothing any more.
async::Task<Result<StreamPtr>> take_once(async::Loop& loop, StreamPtr& held) {
  if (held == nullptr) co_await async::Event(loop).wait();
  co_return std::move(held);
}

struct PeerParts {
  async::Loop& loop;
  Random& random;
  wire::Router& router;
  wire::SessionBudget& budget;
  const wire::TunnelSecret& secret;
  const http::TlsContext* tls;
};

async::Task<> serve_peer(PeerParts& parts, StreamPtr stream) {
  StreamPtr below = std::move(stream);
  if (parts.tls != nullptr) {
    auto secure = std::make_unique<http::TlsStream>(*parts.tls, std::move(below));
    must(co_await secure->handshake());
    below = std::move(secure);
  }
  auto opened = co_await websocket::answer(std::move(below), agentd::kTunnelPath);
  if (!opened) co_return;
  StreamPtr held = std::make_unique<websocket::WebSocketStream>(parts.loop, websocket::Side::server, std::move(*opened),
                                                                parts.random);
  wire::TunnelAcceptor acceptor(
      parts.loop, [&parts, &held] { return take_once(parts.loop, held); }, {.identity = identity(parts.secret)},
      parts.random, parts.budget);
  wire::Tunnel tunnel = co_await acceptor.next();
  wire::PeerHandler handler(parts.router, {});
  wire::Connection connection(parts.loop, std::move(tunnel.session), wire::Side::acceptor, {}, &handler);
  static_cast<void>(co_await connection.run());
}

async::Task<> serve_peers(PeerParts& parts, transport::TcpListener& listener, async::TaskSet& peers) {
  for (;;) {
    auto accepted = co_await listener.accept();
    if (!accepted) die(accepted.error().to_string());
    peers.spawn(serve_peer(parts, std::move(accepted->stream)));
  }
}

struct DaemonParts {
  async::Loop& loop;
  Random& random;
  http_client::Client& client;
  wire::SessionBudget& budget;
  const wire::TunnelSecret& secret;
  std::string url;
};

async::Task<Result<StreamPtr>> dial(DaemonParts& parts) {
  auto connection = co_await parts.client.connect(parts.url, kPatience);
  if (!connection) co_return fail(connection.error());
  const Result<http_client::Url> url = http_client::parse_url(parts.url);
  websocket::Request request{.host = url->authority(), .path = agentd::kTunnelPath, .headers = {}};
  auto opened = co_await websocket::ask(std::move(*connection), std::move(request), parts.random);
  if (!opened) co_return fail(opened.error().error);
  co_return std::make_unique<websocket::WebSocketStream>(parts.loop, websocket::Side::client, std::move(*opened),
                                                         parts.random);
}

struct Line {
  std::unique_ptr<wire::TunnelDialer> dialer;
  std::unique_ptr<wire::Connection> connection;
};

async::Task<> keep(std::shared_ptr<Line> line) {
  const std::shared_ptr<Line> kept = std::move(line);
  static_cast<void>(co_await kept->connection->run());
}

/// Its share of the lines, one after the other.
async::Task<> open_some(DaemonParts& parts, std::size_t count, std::vector<std::shared_ptr<Line>>& lines,
                        async::TaskSet& running) {
  for (std::size_t i = 0; i < count; ++i) {
    auto line = std::make_shared<Line>();
    wire::DialerOptions options{.identity = identity(parts.secret),
                                .instance = wire::InstanceId::make(parts.random),
                                .dial_timeout = kPatience};
    line->dialer = std::make_unique<wire::TunnelDialer>(
        parts.loop, [&parts] { return dial(parts); }, std::move(options), parts.random, parts.budget);
    wire::Tunnel tunnel = must(co_await line->dialer->connect(kPatience));
    line->connection = std::make_unique<wire::Connection>(parts.loop, std::move(tunnel.session), wire::Side::dialer,
                                                          wire::Limits{}, nullptr);
    running.spawn(keep(line));
    lines.push_back(std::move(line));
  }
}

async::Task<> open_lines(DaemonParts& parts, std::size_t count, std::vector<std::shared_ptr<Line>>& lines,
                         async::TaskSet& running) {
  async::TaskSet dialing(parts.loop);
  const std::size_t at_once = std::min(count, kDialsAtOnce);
  for (std::size_t i = 0; i < at_once; ++i) {
    dialing.spawn(open_some(parts, (count / at_once) + (i < count % at_once ? 1 : 0), lines, running));
  }
  co_await dialing.join();
}

async::Task<> ask_all(DaemonParts& parts, const std::vector<std::shared_ptr<Line>>& lines, Samples& samples) {
  for (int i = 0; i < kCalls; ++i) {
    const MonoTime began = parts.loop.clock().now();
    must(co_await lines[static_cast<std::size_t>(i) % lines.size()]->connection->call("rpc.ping",
                                                                                      Value(Value::Array{})));
    samples.add(parts.loop.clock().now() - began);
  }
}

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + (static_cast<double>(t.tv_nsec) / 1e9);
}

double resident_bytes() {
  ::malloc_trim(0);
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long pages = 0;
  const int got = std::fscanf(file, "%*d %ld", &pages);
  std::fclose(file);
  return got == 1 ? static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

async::Task<> measure(DaemonParts& parts, std::size_t count, const std::string& kind, Report& report) {
  async::TaskSet running(parts.loop);
  std::vector<std::shared_ptr<Line>> lines;
  co_await open_lines(parts, 1, lines, running);
  Samples alone;
  co_await ask_all(parts, lines, alone);
  const double memory_before = resident_bytes();
  const double cpu_before = cpu_seconds();
  const MonoTime began = parts.loop.clock().now();
  co_await open_lines(parts, count - 1, lines, running);
  const double took = std::chrono::duration<double>(parts.loop.clock().now() - began).count();
  const double cpu_each = (cpu_seconds() - cpu_before) / static_cast<double>(count - 1);
  const double memory = resident_bytes() - memory_before;
  const double idle_before = cpu_seconds();
  co_await async::sleep_for(parts.loop, kIdle);
  const double idle = (cpu_seconds() - idle_before) / std::chrono::duration<double>(kIdle).count();
  Samples beside;
  co_await ask_all(parts, lines, beside);
  const std::string name = fmt::format("{} tunnels, {}: ", count, kind);
  const double megabyte = 1024.0 * 1024;
  report.add({.name = name + "memory of the daemon's end",
              .value = memory / megabyte,
              .unit = "MB",
              .rival = "what the design allows",
              .rival_value = kAllowedBytesEach * static_cast<double>(count) / megabyte});
  report.add({.name = name + "opened",
              .value = static_cast<double>(count - 1) / took,
              .unit = "/s",
              .rival = "",
              .rival_value = 0});
  report.add({.name = name + "CPU to open one", .value = cpu_each * 1e6, .unit = "us", .rival = "", .rival_value = 0});
  report.add({.name = name + "CPU while idle", .value = idle * 100, .unit = "%", .rival = "", .rival_value = 0});
  report.add_latency(name + "rpc.ping", beside, "a tunnel alone", alone);
  running.cancel_all();
}

void run(std::size_t count, bool secure, const std::string& json) {
  const test::TemporaryDirectory dir;
  const std::string certificate = dir / "cert.pem";
  const std::string key = dir / "key.pem";
  const std::string make = fmt::format(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench "
      "-addext subjectAltName=IP:127.0.0.1 -keyout {} -out {} 2>/dev/null",
      key, certificate);
  if (secure && std::system(make.c_str()) != 0) die("openssl cannot make a certificate");  // NOLINT: no input in it
  SystemRandom random;
  const wire::TunnelSecret secret = wire::TunnelSecret::make(random);

  const Server peers = start([&](const UniqueFd& tell) {
    const SystemClock clock;
    async::Loop loop(clock);
    SystemRandom own;
    wire::SessionBudget budget(loop, std::size_t{256} << 20U);
    wire::Router router({.name = "bench", .version = "0", .features = {}}, clock);
    std::unique_ptr<http::TlsContext> tls;
    if (secure) tls = must(http::TlsContext::load(certificate, key));
    PeerParts parts{
        .loop = loop, .random = own, .router = router, .budget = budget, .secret = secret, .tls = tls.get()};
    auto listener = must(transport::TcpListener::listen(loop, {.host = "127.0.0.1", .port = 0}));
    const std::uint16_t port = listener->address().port;
    if (::write(tell.get(), &port, sizeof port) != sizeof port) die("write");
    async::TaskSet running(loop);
    loop.block_on(serve_peers(parts, *listener, running));
  });
  std::uint16_t port = 0;
  pollfd ready{.fd = peers.fd.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, 60'000) != 1 || ::read(peers.fd.get(), &port, sizeof port) != sizeof port) die("no port");

  const SystemClock clock;
  async::Loop loop(clock);
  wire::SessionBudget budget(loop, std::size_t{256} << 20U);
  http_client::Client client(loop, {.ca_file = secure ? certificate : "", .connections_a_host = 100'000});
  DaemonParts parts{.loop = loop,
                    .random = random,
                    .client = client,
                    .budget = budget,
                    .secret = secret,
                    .url = fmt::format("{}://127.0.0.1:{}", secure ? "https" : "http", port)};
  Report report;
  loop.block_on(measure(parts, count, secure ? "TLS" : "plain", report));
  if (!json.empty()) must(report.write_json(json));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string json = json_path_from(argc, argv);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const char* wanted = std::getenv("TUNNELS_BENCH");
  std::string_view rest = wanted == nullptr ? "1000 5000" : wanted;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const auto count = static_cast<std::size_t>(std::strtoul(std::string(rest.substr(0, end)).c_str(), nullptr, 10));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (count < 2) die("TUNNELS_BENCH: how many, from 2");
    for (const bool secure : {false, true}) {
      // Each in a process of its own: memory that one gave back would count for the next.
      const pid_t pid = ::fork();
      if (pid < 0) die("fork");
      if (pid == 0) {
        run(count, secure, json);
        ::_exit(0);
      }
      int status = 0;
      if (::waitpid(pid, &status, 0) != pid || status != 0) die("it failed");
    }
  }
  return 0;
}
