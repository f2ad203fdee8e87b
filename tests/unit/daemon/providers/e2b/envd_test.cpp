#include "daemon/providers/e2b/envd.hpp"

#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/scripted_server.hpp"

namespace swarm::e2b {
namespace {

using namespace std::chrono_literals;
using tests::ScriptedServer;
using Peer = ScriptedServer::Peer;

constexpr const char* kConnect = "Content-Type: application/connect+json\r\n";

struct Rig : tests::LoopFixture {
  int status = 200;
  std::string body = "{}";
  std::string headers;
  bool cut = false;  ///< says that more comes, and closes
  ScriptedServer server{loop, [this](Peer& peer) { return serve(peer, *this); }};
  http_client::Client client{loop, {}};
  Envd envd{client, {.url = server.url(), .headers = {{"X-Access-Token", "tok"}}}, "0.6.13"};
  Envd old{client, {.url = server.url()}, "0.4.0"};

  static async::Task<> serve(Peer& peer, Rig& rig) {
    for (;;) {
      const auto request = co_await peer.request();
      if (!request) co_return;
      if (rig.cut) {
        const bool sent = co_await peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + rig.headers +
                                             "\r\n" + chunk(rig.body) + "0\r\n\r\n");
        static_cast<void>(sent);
        co_return;
      }
      const bool sent = co_await peer.answer(rig.status, rig.body, rig.headers);
      if (!sent) co_return;
    }
  }
  static std::string chunk(const std::string& text) {
    std::array<char, 20> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", text.size());
    return size.data() + text + "\r\n";
  }
  [[nodiscard]] const std::string& head() const { return server.requests.back().head; }
};

TEST_CASE_METHOD(Rig, "a file is uploaded as it is", "[e2b]") {
  REQUIRE(loop.block_on(envd.upload("/opt/a b", "content")));
  CHECK(head().starts_with("POST /files?path=%2Fopt%2Fa%20b&username=root HTTP/1.1\r\n"));
  CHECK(head().find("Content-Type: application/octet-stream\r\n") != std::string::npos);
  CHECK(head().find("X-Access-Token: tok\r\n") != std::string::npos);
  CHECK(head().find("Authorization: Basic cm9vdDo=\r\n") != std::string::npos);
  CHECK(server.requests.back().body == "content");
}

TEST_CASE_METHOD(Rig, "to an old envd in parts", "[e2b]") {
  REQUIRE(loop.block_on(old.upload("/opt/a\"b", "content")));
  CHECK(head().starts_with("POST /files?username=root "));
  const std::string& sent = server.requests.back().body;
  CHECK(sent.find("filename=\"/opt/a%22b\"\r\n") != std::string::npos);
  CHECK(sent.find("\r\n\r\ncontent\r\n--") != std::string::npos);
  CHECK(sent.ends_with("--\r\n"));
}

TEST_CASE_METHOD(Rig, "a file is downloaded, up to a limit", "[e2b]") {
  body = "0123456789";
  CHECK(loop.block_on(envd.download("/f", 10)).value_or("") == body);
  CHECK(loop.block_on(envd.download("/f", 9)).error().code == Code::resource_exhausted);
  status = 404;
  body = R"({"code":404,"message":"path '/f' does not exist"})";
  const auto missing = loop.block_on(envd.download("/f", 10));
  CHECK(missing.error().code == Code::not_found);
  CHECK(missing.error().message.find("does not exist") != std::string::npos);
}

TEST_CASE_METHOD(Rig, "a program is run to its end", "[e2b]") {
  headers = kConnect;
  body = seal(0, R"({"event":{"start":{"pid":7}}})") + seal(0, R"({"event":{"keepalive":{}}})") +
         seal(0, R"({"event":{"data":{"stdout":"aGk="}}})") + seal(0, R"({"event":{"data":{"stderr":"bm8="}}})") +
         seal(0, R"({"event":{"end":{"exitCode":2,"exited":true,"status":"exit status 2"}}})") + seal(2, "{}");
  const auto result = loop.block_on(envd.run({.cmd = "/bin/sh"}, "root", 100));
  REQUIRE(result);
  CHECK(result->exit_code == 2);
  CHECK(result->out == "hi");
  CHECK(result->err == "no");
  CHECK(server.requests.back().body == seal(0, encode_start({.cmd = "/bin/sh"})));
  CHECK(head().find("Connect-Timeout-Ms") == std::string::npos);  // would kill the program
  CHECK(head().find("Keepalive-Ping-Interval: 50\r\n") != std::string::npos);
  const auto too_much = loop.block_on(envd.run({.cmd = "/bin/sh"}, "root", 3));
  CHECK(too_much.error().code == Code::resource_exhausted);
}

TEST_CASE_METHOD(Rig, "a stream that is cut at any byte is no success", "[e2b]") {
  headers = kConnect;
  const std::string whole =
      seal(0, R"({"event":{"start":{"pid":7}}})") + seal(0, R"({"event":{"end":{"exited":true}}})") + seal(2, "{}");
  cut = true;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    body = whole.substr(0, size);
    if (size == 0) continue;  // an empty chunk is the end of all chunks
    CAPTURE(size);
    const auto result = loop.block_on(envd.run({.cmd = "/bin/sh"}, "root", 100));
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::unavailable);
  }
  body = whole;
  CHECK(loop.block_on(envd.run({.cmd = "/bin/sh"}, "root", 100)));
}

TEST_CASE_METHOD(Rig, "who answers instead of envd is told from it", "[e2b]") {
  SECTION("the proxy, for a sandbox that has gone") {
    status = 502;
    body = R"({"sandboxId":"i1","message":"The sandbox was not found","code":502})";
    const auto result = loop.block_on(envd.run({.cmd = "x"}, "root", 100));
    CHECK(result.error().code == Code::unavailable);
    CHECK(result.error().message.find("The sandbox was not found") != std::string::npos);
  }
  SECTION("a web page") {
    body = "<html>";
    CHECK_FALSE(loop.block_on(envd.run({.cmd = "x"}, "root", 100)));
  }
  SECTION("envd, about the token") {
    status = 401;
    body = R"({"code":401,"message":"unauthorized access"})";
    CHECK(loop.block_on(envd.list()).error().code == Code::unauthenticated);
  }
  SECTION("envd, about a program") {
    headers = kConnect;
    body = seal(2, R"({"error":{"code":"not_found","message":"process with pid 5 not found"}})");
    CHECK(loop.block_on(envd.connect(5)).error().code == Code::not_found);
  }
}

TEST_CASE_METHOD(Rig, "a directory that is there is made", "[e2b]") {
  status = 409;
  body = R"({"code":"already_exists","message":"x"})";
  CHECK(loop.block_on(envd.make_dir("/opt")));
  body = R"({"code":"aborted","message":"x"})";
  CHECK(loop.block_on(envd.make_dir("/opt")).error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(Rig, "programs are listed, given input and signals", "[e2b]") {
  body = R"({"processes":[{"config":{"cmd":"/bin/sh"},"pid":9,"tag":"swarm"},{"pid":10}]})";
  const auto listed = loop.block_on(envd.list());
  REQUIRE(listed);
  REQUIRE(listed->size() == 2);
  CHECK(listed->at(0).tag == "swarm");
  CHECK(listed->at(0).pid == 9);
  body = "{}";
  CHECK(loop.block_on(envd.list())->empty());
  CHECK(loop.block_on(envd.send_signal(9, Signal::terminate)));
  CHECK(head().starts_with("POST /process.Process/SendSignal "));
  CHECK(loop.block_on(envd.send_input(9, "x")));
  CHECK(loop.block_on(envd.close_input(9)));
}

}  // namespace
}  // namespace swarm::e2b
