#pragma once

#include "daemon/http/server.hpp"
#include "protocol/async/timer.hpp"
#include "tests/fixtures/loop_fixture.hpp"

namespace swarm::tests {

/// What the handler of these tests saw.
struct Seen {
  int dropped = 0;          ///< handlers that ended where they waited
  int open = 0;             ///< handlers that run
  std::size_t written = 0;  ///< of /big
  std::vector<std::string> paths;
};

/// Answers a few paths, each for one kind of test.
class TestHandler final : public http::Handler {
 public:
  TestHandler(async::Loop& loop, Seen& seen) : loop_(loop), seen_(seen) {}

  async::Task<> serve(http::Exchange& exchange) override {
    struct Watch {
      Seen& seen;
      bool done = false;
      explicit Watch(Seen& s) : seen(s) { ++seen.open; }
      Watch(const Watch&) = delete;
      Watch& operator=(const Watch&) = delete;
      ~Watch() {
        --seen.open;
        if (!done) ++seen.dropped;
      }
    } watch(seen_);
    const std::string path(exchange.request().path());
    seen_.paths.push_back(path);
    if (path == "/echo") {
      co_await echo(exchange);
    } else if (path == "/big") {
      co_await big(exchange);
    } else if (path == "/never") {
      co_await async::sleep_for(loop_, std::chrono::hours(1));
    } else if (path == "/cut") {
      Result<void> sent = co_await exchange.begin({});
      if (sent) sent = co_await exchange.write("half");
    } else if (path == "/throw") {
      throw std::runtime_error("as the test wants");
    } else if (path == "/upgrade") {
      co_await upgrade(exchange);
    } else if (path == "/header") {
      const Result<void> sent = co_await exchange.respond(
          {.status = 200, .headers = {{"x-good", "1"}, {"x-bad", "1\r\nx-smuggled: 1"}}}, "ok");
      static_cast<void>(sent);
    } else if (path != "/silent") {
      const Result<void> sent = co_await exchange.respond({}, std::string(path.substr(1)));
      static_cast<void>(sent);
    }
    watch.done = true;
  }

 private:
  static async::Task<> echo(http::Exchange& exchange) {
    Result<void> sent = co_await exchange.begin({});
    while (sent) {
      Result<std::optional<std::string>> part = co_await exchange.read();
      if (!part) co_return;
      if (!*part) break;
      sent = co_await exchange.write(std::move(**part));
    }
    if (sent) sent = co_await exchange.end();
  }

  async::Task<> big(http::Exchange& exchange) {
    std::size_t left = std::stoull(http::parse_query(exchange.request().query())["n"]);
    Result<void> sent = co_await exchange.begin({});
    while (sent && left > 0) {
      const std::size_t part = std::min<std::size_t>(left, 65536);
      sent = co_await exchange.write(std::string(part, 'x'));
      left -= part;
      seen_.written += part;
    }
    if (sent) sent = co_await exchange.end();
  }

  static async::Task<> upgrade(http::Exchange& exchange) {
    Result<transport::Stream*> stream = co_await exchange.upgrade({{"upgrade", "test"}, {"connection", "upgrade"}});
    if (!stream) {
      const Result<void> sent = co_await exchange.respond({.status = 426, .headers = {}}, stream.error().message);
      co_return;
    }
    std::array<std::byte, 4096> buffer{};
    for (;;) {
      const Result<std::size_t> size = co_await (*stream)->read(buffer);
      if (!size || *size == 0) co_return;
      const Result<void> sent = co_await transport::write_all(**stream, std::span(buffer).first(*size));
      if (!sent) co_return;
    }
  }

  async::Loop& loop_;
  Seen& seen_;
};

struct HttpRig : LoopFixture {
  Seen seen;
  TestHandler handler{loop, seen};
  std::unique_ptr<http::TlsContext> tls;
  std::unique_ptr<http::Server> server;

  void start(http::Limits limits = {}) {
    auto listener = transport::TcpListener::listen(loop, {});
    REQUIRE(listener);
    server = std::make_unique<http::Server>(loop, std::move(*listener), limits, handler, tls.get());
    server->start();
  }

  std::unique_ptr<transport::FdStream> connect() {
    auto stream = loop.block_on(transport::connect_tcp(loop, server->address()));
    REQUIRE(stream);
    return std::move(*stream);
  }

  static async::Task<Result<void>> send_all(transport::Stream& stream, std::string bytes) {
    Result<void> sent = co_await transport::write_all(stream, std::as_bytes(std::span(bytes)));
    co_return sent;
  }
  void send(transport::Stream& stream, std::string bytes) {
    const Result<void> sent = loop.block_on(send_all(stream, std::move(bytes)));
    REQUIRE(sent);
  }

  /// Reads until the other side ends, or what came contains `until`. "<broken>" marks a break.
  static async::Task<Result<std::string>> read_until(transport::Stream& stream, std::string until) {
    std::string all;
    std::array<std::byte, 65536> buffer{};
    for (;;) {
      const Result<std::size_t> size = co_await stream.read(buffer);
      if (!size) co_return all + "<broken>";
      if (*size == 0) co_return all;
      all.append(reinterpret_cast<const char*>(buffer.data()), *size);
      if (!until.empty() && all.contains(until)) co_return all;
    }
  }
  std::string read(transport::Stream& stream, std::string until = "") {
    const Result<std::string> all = loop.block_on(
        async::with_timeout(loop, read_until(stream, std::move(until)), std::chrono::seconds(20), "read"));
    REQUIRE(all);
    return *all;
  }

  /// Runs the loop until `condition` holds.
  template <class F>
  async::Task<Result<void>> wait_for(F condition) {
    while (!condition()) co_await async::sleep_for(loop, std::chrono::milliseconds(1));
    co_return {};
  }
  template <class F>
  void until(F condition) {
    const Result<void> held =
        loop.block_on(async::with_timeout(loop, wait_for(condition), std::chrono::seconds(20), "condition"));
    REQUIRE(held);
  }
};

}  // namespace swarm::tests
