#include <rapidcheck/catch.h>

#include "daemon/http/http1_parser.hpp"
#include "tests/unit/daemon/http/rig.hpp"

namespace swarm::tests {
namespace {

using namespace std::chrono_literals;

int count(std::string_view text, std::string_view what) {
  int found = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE_METHOD(HttpRig, "requests on one connection are answered in order, also when they come at once") {
  start();
  const auto client = connect();
  send(*client,
       "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n"
       "Connection: close\r\n\r\n");
  const std::string answer = read(*client);
  CHECK(count(answer, "HTTP/1.1 200 OK\r\n") == 3);
  CHECK(answer.find("\r\n\r\na") < answer.find("\r\n\r\nb"));
  CHECK(answer.contains("connection: close"));
  CHECK(answer.ends_with("c"));
}

TEST_CASE_METHOD(HttpRig, "bodies are streams both ways, and a request may come a byte at a time") {
  start();
  const auto client = connect();
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
  for (const char byte : request) send(*client, std::string(1, byte));
  const std::string answer = read(*client, "\r\n0\r\n\r\n");
  CHECK(answer.contains("transfer-encoding: chunked"));
  http::Http1Parser parser(http::Http1Parser::Kind::response, 1000);
  std::string rest = answer;
  while (!rest.empty()) {
    const Result<std::size_t> taken = parser.feed(rest);
    REQUIRE(taken);
    rest.erase(0, *taken);
  }
  CHECK(parser.take_body() == "hello world");
  send(*client, "POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(read(*client).ends_with("\r\n\r\nabc"));
}

TEST_CASE_METHOD(HttpRig, "a client that expects 100 gets it when the body is wanted") {
  start();
  const auto client = connect();
  send(*client, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(read(*client, "\r\n\r\n").contains("200 OK"));  // /echo begins its answer first: then no 100 may follow
  const auto other = connect();
  send(*other, "POST /plain HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(read(*other).contains("connection: close"));  // the body was never asked for
}

TEST_CASE_METHOD(HttpRig, "what is no HTTP is refused with its reason and ends the connection") {
  start({.header_bytes = 2000});
  const auto [request, status] = GENERATE(table<std::string, std::string>({
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/9.1\r\nHost: x\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"},
      {"\x16\x03\x01\x02", "400"},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(3000, 'a') + "\r\n\r\n", "431"},
      {"GET /" + std::string(3000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
  }));
  const auto client = connect();
  send(*client, request);
  CHECK(read(*client).starts_with("HTTP/1.1 " + status));
  CHECK(seen.paths.empty());
}

TEST_CASE_METHOD(HttpRig, "a header that does not come to its end is given up, and so is an idle connection") {
  start({.header = 50ms, .idle = 100ms});
  const auto slow = connect();
  send(*slow, "GET / HTTP/1.1\r\nHost");
  CHECK(read(*slow).starts_with("HTTP/1.1 408"));
  const auto idle = connect();
  CHECK(read(*idle).empty());
}

TEST_CASE_METHOD(HttpRig, "a body that stalls fails the handler, which may say so") {
  start({.body_stall = 50ms});
  const auto client = connect();
  send(*client, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  CHECK(read(*client).ends_with("<broken>"));
}

TEST_CASE_METHOD(HttpRig, "a handler is dropped when its client goes") {
  start();
  auto client = connect();
  send(*client, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  until([&] { return seen.open == 1; });
  client.reset();
  until([&] { return seen.open == 0; });
  CHECK(seen.dropped == 1);
  until([&] { return server->connections() == 0; });
}

TEST_CASE_METHOD(HttpRig, "an answer without its end looks broken, none at all is a 500") {
  start();
  const auto client = connect();
  send(*client, "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(!read(*client).contains("\r\n0\r\n"));
  for (const char* path : {"/silent", "/throw"}) {
    const auto other = connect();
    send(*other, std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(read(*other).starts_with("HTTP/1.1 500"));
  }
}

TEST_CASE_METHOD(HttpRig, "a field that would end its line early is left out") {
  start();
  const auto client = connect();
  send(*client, "GET /header HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answer = read(*client);
  CHECK(answer.contains("x-good"));
  CHECK(!answer.contains("x-smuggled"));
}

TEST_CASE_METHOD(HttpRig, "a client that reads nothing stops the handler that writes") {
  start();
  const auto client = connect();
  send(*client, "GET /big?n=200000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  std::size_t before = 0;
  int same = 0;
  until([&] {
    same = seen.written > 0 && seen.written == before ? same + 1 : 0;
    before = seen.written;
    return same > 50;
  });
  CHECK(seen.written < 50'000'000);
  CHECK(read(*client).size() > 200'000'000);
}

TEST_CASE_METHOD(HttpRig, "a handler that reads nothing stops the client that sends") {
  start({.window_bytes = 65536});
  const auto client = connect();
  send(*client, "POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n");
  std::size_t sent = 0;
  const std::string part(65536, 'x');
  int full = 0;
  until([&] {
    const Result<std::size_t> taken = client->try_write(std::as_bytes(std::span(part)));
    full = taken && *taken == 0 ? full + 1 : 0;
    if (taken) sent += *taken;
    return full > 50;
  });
  CHECK(sent < 50'000'000);
}

TEST_CASE_METHOD(HttpRig, "a request can become another protocol, and its bytes are not lost") {
  start();
  const auto client = connect();
  send(*client, "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nearly");
  CHECK(read(*client, "early").starts_with("HTTP/1.1 101"));
  send(*client, " and late");
  CHECK(read(*client, "late") == " and late");
  client->shutdown_write();
  CHECK(read(*client).empty());
}

TEST_CASE_METHOD(HttpRig, "more connections than allowed are closed at once") {
  start({.connections = 2});
  const auto a = connect();
  const auto b = connect();
  send(*a, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  send(*b, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  read(*a, "\r\n\r\na");
  read(*b, "\r\n\r\nb");
  const auto c = connect();
  CHECK(read(*c).empty());
}

TEST_CASE_METHOD(HttpRig, "draining answers what is in flight and drops what does not end") {
  start();
  const auto idle = connect();
  send(*idle, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  read(*idle, "\r\n\r\na");
  const auto stuck = connect();
  send(*stuck, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  until([&] { return seen.open == 1; });
  loop.block_on(server->drain(50ms));
  CHECK(seen.dropped == 1);
  CHECK(read(*idle).empty());
}

TEST_CASE("messages mean the same however they are cut") {
  rc::prop("cut anywhere", [] {
    const std::string message =
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;e=1\r\nabcd\r\n1\r\n-\r\n0\r\nT: 1\r\n\r\n"
        "GET /y HTTP/1.1\r\nHost: b\r\n\r\n";
    http::Http1Parser parser(http::Http1Parser::Kind::request, 1000);
    std::string rest = message;
    std::string body;
    std::vector<std::string> targets;
    while (!rest.empty() || parser.complete()) {
      if (parser.complete()) {
        targets.push_back(parser.target());
        body += parser.take_body();
        parser.next();
        continue;
      }
      const auto size = *rc::gen::inRange<std::size_t>(1, 20);
      const Result<std::size_t> taken = parser.feed(std::string_view(rest).substr(0, size));
      RC_ASSERT(taken.has_value());
      rest.erase(0, *taken);
    }
    RC_ASSERT(targets == std::vector<std::string>({"/x", "/y"}));
    RC_ASSERT(body == "abcd-");
  });
}

TEST_CASE("queries and escapes") {
  CHECK(http::percent_decode("a%20b%zz%4") == "a b%zz%4");
  CHECK(http::percent_decode("%2F") == "/");
  const auto query = http::parse_query("a=1&b=%26+x&c&a=2");
  CHECK(query.at("a") == "2");
  CHECK(query.at("b") == "& x");
  CHECK(query.at("c").empty());
}

}  // namespace swarm::tests
