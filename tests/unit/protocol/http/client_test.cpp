#include "protocol/http/client.hpp"

#include "protocol/http/url.hpp"
#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/scripted_server.hpp"

namespace swarm::http_client {
namespace {

using namespace std::chrono_literals;
using tests::LoopFixture;
using tests::MemorySource;
using tests::ScriptedServer;
using Peer = ScriptedServer::Peer;

struct Got {
  int status = 0;
  std::string body;
};

async::Task<Result<Got>> fetch(Client& client, Request request) {
  auto response = co_await client.send(std::move(request));
  if (!response) co_return fail(response.error());
  Result<std::string> body = co_await (*response)->read_all(64U << 20U);
  if (!body) co_return fail(body.error());
  co_return Got{.status = (*response)->status(), .body = std::move(*body)};
}

async::Task<> echo_always(Peer& peer) {
  for (;;) {
    const auto request = co_await peer.request();
    if (!request) co_return;
    const bool sent = co_await peer.answer(200, request->body, "X-Say: a\r\nx-say: b\r\n");
    if (!sent) co_return;
  }
}

async::Task<> silent(Peer& peer) {
  const auto request = co_await peer.request();
  static_cast<void>(request);
  co_await peer.closed();
}

async::Task<> drop_second(Peer& peer) {
  const auto first = co_await peer.request();
  if (!first) co_return;
  const bool sent = co_await peer.answer(200, "first");
  if (!sent) co_return;
  const auto second = co_await peer.request();  // read, and never answered
  static_cast<void>(second);
}

async::Task<> cut_body(Peer& peer) {
  const auto request = co_await peer.request();
  static_cast<void>(request);
  const bool sent = co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.");
  static_cast<void>(sent);
}

async::Task<> stall_body(Peer& peer) {
  const auto request = co_await peer.request();
  static_cast<void>(request);
  const bool sent = co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.");
  static_cast<void>(sent);
  co_await peer.closed();
}

constexpr std::size_t kLots = 16U << 20U;

async::Task<> firehose(Peer& peer) {
  const auto request = co_await peer.request();
  static_cast<void>(request);
  bool sent = co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kLots) + "\r\n\r\n");
  for (std::size_t done = 0; sent && done < kLots; done += 65536) sent = co_await peer.send(std::string(65536, 'x'));
  co_await peer.closed();
}

async::Task<> echo_bytes(Peer& peer) {
  for (;;) {
    std::string bytes = co_await peer.bytes();
    if (bytes.empty()) co_return;
    const bool sent = co_await peer.send(std::move(bytes));
    if (!sent) co_return;
  }
}

TEST_CASE_METHOD(LoopFixture, "a request gets its response", "[http]") {
  ScriptedServer server(loop, echo_always);
  Client client(loop, {.user_agent = "swarmd-test/1"});
  const auto got = loop.block_on(fetch(
      client,
      {.method = "POST", .url = server.url("/a?b=c"), .headers = {{"X-Key", "k"}, {"X-None", ""}}, .body = "hi"}));
  REQUIRE(got);
  CHECK(got->status == 200);
  CHECK(got->body == "hi");
  REQUIRE(server.requests.size() == 1);
  const std::string& head = server.requests[0].head;
  CHECK(head.starts_with("POST /a?b=c HTTP/1.1\r\n"));
  CHECK(head.find("X-Key: k\r\n") != std::string::npos);
  CHECK(head.find("X-None:\r\n") != std::string::npos);
  CHECK(head.find("Expect") == std::string::npos);
  CHECK(head.find("User-Agent: swarmd-test/1\r\n") != std::string::npos);
}

TEST_CASE_METHOD(LoopFixture, "headers are found in any case of letters, the last one counts", "[http]") {
  ScriptedServer server(loop, echo_always);
  Client client(loop, {});
  const auto response = loop.block_on(client.send({.url = server.url("/")}));
  REQUIRE(response);
  CHECK((*response)->header("X-SAY") == "b");
  CHECK_FALSE((*response)->header("x-sa"));
}

TEST_CASE_METHOD(LoopFixture, "a connection is used again", "[http]") {
  ScriptedServer server(loop, echo_always);
  Client client(loop, {});
  for (int i = 0; i < 3; ++i) {
    const auto got = loop.block_on(fetch(client, {.url = server.url("/")}));
    REQUIRE(got);
  }
  CHECK(server.connections == 1);
}

TEST_CASE_METHOD(LoopFixture, "a POST whose kept connection broke is not sent twice, a GET is", "[http]") {
  ScriptedServer server(loop, drop_second);
  Client client(loop, {});
  const auto first = loop.block_on(fetch(client, {.url = server.url("/1")}));
  REQUIRE(first);
  Trace trace;
  SECTION("POST") {
    const auto second =
        loop.block_on(fetch(client, {.method = "POST", .url = server.url("/2"), .body = "x", .trace = &trace}));
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Code::unavailable);
    CHECK(trace.connected);
    CHECK(server.requests.size() == 2);
  }
  SECTION("GET") {
    const auto second = loop.block_on(fetch(client, {.url = server.url("/2")}));
    REQUIRE(second);
    CHECK(server.requests.size() == 3);
    CHECK(server.connections == 2);
  }
}

TEST_CASE_METHOD(LoopFixture, "nobody there is told from no answer", "[http]") {
  Client client(loop, {});
  Trace trace;
  SECTION("refused") {
    std::string url;
    {
      const ScriptedServer gone(loop, silent);
      url = gone.url("/path?secret=1");
    }
    const auto got = loop.block_on(
        fetch(client, {.method = "POST", .url = url, .headers = {{"X-API-Key", "e2b_topsecret"}}, .trace = &trace}));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Code::unavailable);
    CHECK(got.error().retryable);
    CHECK_FALSE(trace.connected);
    CHECK(got.error().message.find("POST http://127.0.0.1:") == 0);
    CHECK(got.error().message.find("/path") != std::string::npos);
    CHECK(got.error().message.find("secret") == std::string::npos);
  }
  SECTION("silence") {
    ScriptedServer server(loop, silent);
    const auto got = loop.block_on(
        fetch(client,
              {.method = "POST", .url = server.url("/"), .body = "x", .patience = {.answer = 50ms}, .trace = &trace}));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Code::deadline_exceeded);
    CHECK(trace.connected);
    CHECK(got.error().message.ends_with("no answer within 50 ms"));
  }
}

TEST_CASE_METHOD(LoopFixture, "a body that ends early, stalls or takes too long is an error", "[http]") {
  Client client(loop, {});
  SECTION("cut") {
    ScriptedServer server(loop, cut_body);
    const auto got = loop.block_on(fetch(client, {.url = server.url("/")}));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Code::unavailable);
  }
  SECTION("stalled") {
    ScriptedServer server(loop, stall_body);
    const auto got = loop.block_on(fetch(client, {.url = server.url("/"), .patience = {.silence = 50ms}}));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Code::deadline_exceeded);
    CHECK(got.error().message.ends_with("nothing came for 50 ms"));
  }
  SECTION("in all") {
    ScriptedServer server(loop, stall_body);
    const auto got = loop.block_on(fetch(client, {.url = server.url("/"), .patience = {.total = 50ms}}));
    REQUIRE_FALSE(got);
    CHECK(got.error().message.ends_with("not done within 50 ms"));
  }
  SECTION("too long") {
    ScriptedServer server(loop, firehose);
    const auto response = loop.block_on(client.send({.url = server.url("/")}));
    REQUIRE(response);
    const auto body = loop.block_on((*response)->read_all(1000));
    REQUIRE_FALSE(body);
    CHECK(body.error().code == Code::resource_exhausted);
  }
}

/// Until the server could send nothing for longer than the silence that the client allows.
async::Task<> wait_steady(async::Loop& loop, ScriptedServer& server) {
  std::size_t before = 0;
  for (int steady = 0; steady < 7; ++steady) {
    co_await async::sleep_for(loop, 100ms);
    if (std::exchange(before, server.sent) != server.sent) steady = 0;
  }
}

TEST_CASE_METHOD(LoopFixture, "who does not read holds the sender up", "[http]") {
  ScriptedServer server(loop, firehose);
  Client client(loop, {});
  auto response = loop.block_on(client.send({.url = server.url("/"), .patience = {.silence = 500ms}}));
  REQUIRE(response);
  loop.block_on(wait_steady(loop, server));
  CHECK(server.sent < kLots);
  const auto body = loop.block_on((*response)->read_all(kLots));
  REQUIRE(body);
  CHECK(body->size() == kLots);
}

TEST_CASE_METHOD(LoopFixture, "uploads are sent as they come", "[http]") {
  ScriptedServer server(loop, echo_always);
  Client client(loop, {});
  const std::string big(700'000, 'y');
  SECTION("in chunks") {
    const auto got = loop.block_on(
        fetch(client, {.method = "POST",
                       .url = server.url("/"),
                       .upload = std::make_unique<MemorySource>(loop, std::deque<std::string>{"a", big, "b"})}));
    REQUIRE(got);
    CHECK(got->body == "a" + big + "b");
    CHECK(server.requests[0].head.find("Transfer-Encoding: chunked") != std::string::npos);
  }
  SECTION("with a length") {
    const auto got =
        loop.block_on(fetch(client, {.method = "PUT",
                                     .url = server.url("/"),
                                     .upload = std::make_unique<MemorySource>(loop, std::deque<std::string>{"a", "bc"}),
                                     .upload_bytes = 3}));
    REQUIRE(got);
    CHECK(got->body == "abc");
    CHECK(server.requests[0].head.find("Content-Length: 3\r\n") != std::string::npos);
  }
  SECTION("that break") {
    const auto got = loop.block_on(fetch(client, {.method = "POST",
                                                  .url = server.url("/"),
                                                  .upload = std::make_unique<MemorySource>(
                                                      loop, std::deque<std::string>{"a"}, MemorySource::End::broken)}));
    REQUIRE_FALSE(got);
    CHECK(got.error().message.ends_with("the connection broke"));
    CHECK(server.requests.empty());
  }
}

async::Task<> until_closed(async::Loop& loop, ScriptedServer& server) {
  while (server.closed == 0) co_await async::sleep_for(loop, 1ms);
}

async::Task<> until_requested(async::Loop& loop, ScriptedServer& server) {
  while (server.requests.empty()) co_await async::sleep_for(loop, 1ms);
}

async::Task<> forget(async::Task<Result<Got>> task) {
  const auto got = co_await std::move(task);
  static_cast<void>(got);
}

TEST_CASE_METHOD(LoopFixture, "dropping a request ends it", "[http]") {
  ScriptedServer server(loop, silent);
  Client client(loop, {});
  {
    async::TaskSet tasks(loop);
    tasks.spawn(forget(fetch(client, {.url = server.url("/")})));
    loop.block_on(until_requested(loop, server));
  }
  loop.block_on(until_closed(loop, server));
  CHECK(server.closed == 1);
}

TEST_CASE_METHOD(LoopFixture, "an exchange may outlive its client", "[http]") {
  ScriptedServer server(loop, firehose);
  auto client = std::make_unique<Client>(loop, ClientOptions{});
  auto response = loop.block_on(client->send({.url = server.url("/")}));
  client.reset();
  REQUIRE(response);
  const auto body = loop.block_on((*response)->read_all(kLots));
  CHECK(body);
}

TEST_CASE_METHOD(LoopFixture, "what cannot be sent is refused", "[http]") {
  Client client(loop, {});
  const auto refused = [&](Request request) {
    const auto got = loop.block_on(fetch(client, std::move(request)));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Code::invalid_argument);
    return got.error().message;
  };
  refused({.url = "ftp://x/"});
  refused({.url = "nonsense"});
  CHECK(refused({.url = "http://u:sesame@x/?k=v"}).find("sesame") == std::string::npos);
  CHECK(refused({.url = "http://x/", .headers = {{"A", "sesame\r\nB: c"}}}).find("sesame") == std::string::npos);
}

async::Task<Result<std::string>> talk(Client& client, std::string url, std::string text) {
  auto stream = co_await client.connect(std::move(url), 5s);
  if (!stream) co_return fail(stream.error());
  const auto sent = co_await transport::write_all(**stream, std::as_bytes(std::span(text)));
  if (!sent) co_return fail(sent.error());
  std::string back(text.size(), '\0');
  const auto got = co_await transport::read_exactly(**stream, std::as_writable_bytes(std::span(back)));
  if (!got) co_return fail(got.error());
  co_return back;
}

TEST_CASE_METHOD(LoopFixture, "a raw connection carries bytes both ways", "[http]") {
  ScriptedServer server(loop, echo_bytes);
  Client client(loop, {});
  const std::string text(100'000, 'z');
  const auto back = loop.block_on(talk(client, server.url("/ignored"), text));
  REQUIRE(back);
  CHECK(*back == text);
}

TEST_CASE("URLs are taken apart and shown without what is secret", "[http]") {
  const auto url = parse_url("https://user@Example.com:8443/a/b?key=sesame");
  REQUIRE(url);
  CHECK(url->authority() == "Example.com:8443");
  CHECK(url->printable() == "https://Example.com:8443/a/b");
  CHECK(parse_url("http://[::1]/")->authority() == "[::1]");
  CHECK(parse_url("https://x.y")->path == "/");
  CHECK(escape("a b/ü~") == "a%20b%2F%C3%BC~");
}

}  // namespace
}  // namespace swarm::http_client
