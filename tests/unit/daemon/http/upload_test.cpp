// Our client against our server, each on a loop and a thread of its own: large bodies whose producer and whose reader
// both make the other wait, over both versions, with TLS and without.

#include <atomic>
#include <future>
#include <thread>

#include "protocol/async/blocking.hpp"
#include "protocol/async/process.hpp"
#include "protocol/core/random.hpp"
#include "protocol/http/client.hpp"
#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/unit/daemon/http/rig.hpp"

namespace swarm::tests {
namespace {

using namespace std::chrono_literals;

/// How often; the programme that looks for rare hangs sets more.
std::size_t rounds() {
  const char* wanted = std::getenv("SWARM_UPLOADS");
  return wanted == nullptr ? 12 : std::stoull(wanted);
}

/// Pieces of random size. Some are there at once, some come from another thread, as a file's do.
class PiecewiseSource final : public wire::ByteSource {
 public:
  PiecewiseSource(async::Loop& loop, std::uint64_t seed, std::size_t size) : loop_(loop), random_(seed), left_(size) {}

  async::Task<Result<std::optional<std::string>>> read() override {
    if (left_ == 0) co_return std::nullopt;
    static constexpr std::array<std::size_t, 5> kMost = {1, 700, 16384, 70'000, 262'144};
    const std::size_t most = kMost[random_.below(kMost.size())];
    const std::size_t size = std::min<std::size_t>(left_, 1 + random_.below(most));
    left_ -= size;
    if (random_.below(16) == 0) co_await async::sleep_for(loop_, 2ms);
    if (random_.below(3) != 0) {
      std::string piece = co_await async::run_blocking(loop_, [size] { return std::string(size, 'p'); });
      co_return std::optional(std::move(piece));
    }
    co_return std::optional(std::string(size, 'p'));
  }

 private:
  async::Loop& loop_;
  SeededRandom random_;
  std::size_t left_;
};

/// Counts a body, and rests now and then while it comes.
class CountingHandler final : public http::Handler {
 public:
  explicit CountingHandler(async::Loop& loop) : loop_(loop) {}

  async::Task<> serve(http::Exchange& exchange) override {
    std::size_t size = 0;
    std::uint64_t parts = 0;
    for (;;) {
      Result<std::optional<std::string>> part = co_await exchange.read();
      if (!part) co_return;
      if (!*part) break;
      size += (*part)->size();
      if (exchange.request().path() == "/full" && size > 200'000) {
        const Result<void> refused = co_await exchange.respond({.status = 507, .headers = {}}, "the disk is full");
        static_cast<void>(refused);  // it went
        co_return;
      }
      if (++parts % 5 == 0) co_await async::sleep_for(loop_, 1ms);
    }
    const Result<void> sent = co_await exchange.respond({}, std::to_string(size));
    static_cast<void>(sent);  // it went
  }

 private:
  async::Loop& loop_;
};

/// A server on a loop and a thread of its own, so that the two ends race as two processes do.
class ServerThread {
 public:
  ServerThread(http::Limits limits, const http::TlsContext* tls) {
    std::promise<std::uint16_t> port;
    auto listening = port.get_future();
    thread_ = std::thread([this, limits, tls, &port] {
      async::Loop loop(clock_);
      CountingHandler handler(loop);
      auto listener = transport::TcpListener::listen(loop, {});
      if (!listener) std::abort();
      http::Server server(loop, std::move(*listener), limits, handler, tls);
      server.start();
      loop_.store(&loop);
      port.set_value(server.address().port);
      loop.run();
    });
    port_ = listening.get();
  }
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;
  ~ServerThread() {
    async::Loop* loop = loop_.load();
    loop->post_from_thread([loop] { loop->stop(); });
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  SystemClock clock_;
  std::thread thread_;
  std::atomic<async::Loop*> loop_ = nullptr;
  std::uint16_t port_ = 0;
};

struct UploadRig : LoopFixture {
  test::TemporaryDirectory directory;
  std::unique_ptr<http::TlsContext> tls;
  std::unique_ptr<ServerThread> server;

  void start(bool secure, http::Limits limits) {
    if (secure) {
      const auto made = loop.block_on(async::run_command(
          loop, {.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                          "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
                          "-keyout", directory / "key.pem", "-out", directory / "cert.pem"},
                 .env = async::current_environment()}));
      REQUIRE(made);
      auto loaded = http::TlsContext::load(directory / "cert.pem", directory / "key.pem");
      REQUIRE(loaded);
      tls = std::move(*loaded);
    }
    server = std::make_unique<ServerThread>(limits, tls.get());
  }

  static async::Task<Result<std::string>> exchange(http_client::Client& client, http_client::Request request) {
    auto response = co_await client.send(std::move(request));
    if (!response) co_return fail(response.error());
    Result<std::string> body = co_await (*response)->read_all(1000);
    co_return body;
  }

  async::Task<Result<std::string>> upload(http_client::Client& client, std::uint64_t seed, std::size_t size,
                                          http_client::Version version, std::string path = "/sink") {
    http_client::Request request{
        .method = "POST",
        .url = (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(server->port()) + path,
        .upload = std::make_unique<PiecewiseSource>(loop, seed, size),
        .version = version};
    if (seed % 4 != 0) request.upload_bytes = size;
    Result<std::string> body = co_await exchange(client, std::move(request));
    co_return body;
  }

  /// The server says why it wants no more of a body, and the client hears it.
  void refuse_many(http_client::Version version) {
    http_client::Client client(loop, {.ca_file = directory / "cert.pem"});
    for (std::size_t round = 0; round < rounds(); ++round) {
      INFO("round " << round);
      const Result<std::string> told = loop.block_on(
          async::with_timeout(loop, upload(client, round, 5'000'000, version, "/full"), 60s, "the upload"));
      if (!told) FAIL(told.error().message);
      CHECK(*told == "the disk is full");
    }
  }

  void upload_many(http_client::Version version) {
    http_client::Client client(loop, {.ca_file = directory / "cert.pem"});
    SeededRandom random(11);
    for (std::size_t round = 0; round < rounds(); ++round) {
      const std::size_t size = 1'000'000 + random.below(3'000'000);
      INFO("round " << round << ", " << size << " bytes");
      const Result<std::string> counted = loop.block_on(
          async::with_timeout(loop, upload(client, round, size, version), 60s, "the upload of this round"));
      if (!counted) FAIL(counted.error().message);
      CHECK(*counted == std::to_string(size));
    }
  }
};

}  // namespace

TEST_CASE_METHOD(UploadRig, "uploads arrive whole over HTTP/1.1 with TLS, however slow both ends are") {
  start(true, {.window_bytes = 32 * 1024});
  upload_many(http_client::Version::http1);
}

TEST_CASE_METHOD(UploadRig, "uploads arrive whole over HTTP/2, however slow both ends are") {
  start(true, {.window_bytes = 32 * 1024});
  upload_many(http_client::Version::automatic);
}

TEST_CASE_METHOD(UploadRig, "an upload that is refused half-way hears why, over HTTP/1.1 with TLS") {
  start(true, {.window_bytes = 32 * 1024});
  refuse_many(http_client::Version::http1);
}

TEST_CASE_METHOD(UploadRig, "an upload that is refused half-way hears why, over HTTP/2") {
  start(true, {.window_bytes = 32 * 1024});
  refuse_many(http_client::Version::automatic);
}

TEST_CASE_METHOD(UploadRig, "an upload that is refused half-way hears why, over plain HTTP/1.1") {
  start(false, {.window_bytes = 32 * 1024});
  refuse_many(http_client::Version::http1);
}

TEST_CASE_METHOD(UploadRig, "a refusal ends an upload whose producer has stopped") {
  start(true, {.window_bytes = 32 * 1024});
  http_client::Client client(loop, {.ca_file = directory / "cert.pem"});
  for (const auto version : {http_client::Version::http1, http_client::Version::automatic}) {
    http_client::Request request{
        .method = "POST",
        .url = "https://127.0.0.1:" + std::to_string(server->port()) + "/full",
        .upload = std::make_unique<MemorySource>(loop, std::deque<std::string>{std::string(300'000, 'x')},
                                                 MemorySource::End::never),
        .version = version};
    const Result<std::string> told =
        loop.block_on(async::with_timeout(loop, exchange(client, std::move(request)), 60s, "the refusal"));
    if (!told) FAIL(told.error().message);
    CHECK(*told == "the disk is full");
  }
}

TEST_CASE_METHOD(UploadRig, "uploads arrive whole over plain HTTP/1.1, however slow both ends are") {
  start(false, {.window_bytes = 32 * 1024});
  upload_many(http_client::Version::http1);
}

}  // namespace swarm::tests
