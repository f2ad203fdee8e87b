#include "daemon/providers/e2b/connect.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "daemon/providers/e2b/envd.hpp"

namespace swarm::e2b {
namespace {

using Json = nlohmann::json;
using Kind = ProcessEvent::Kind;

TEST_CASE("an envelope is flags, length and payload", "[e2b]") {
  CHECK(seal(2, "{}") == std::string("\x02\0\0\0\x02{}", 7));
  EnvelopeReader reader;
  reader.push(seal(0, "abc") + seal(2, "{}"));
  CHECK(**reader.next() == Envelope{.flags = 0, .payload = "abc"});
  CHECK(**reader.next() == Envelope{.flags = 2, .payload = "{}"});
  CHECK_FALSE(*reader.next());
  CHECK(reader.rest() == 0);
}

TEST_CASE("envelopes survive any way of being cut", "[e2b]") {
  rc::prop("what is sealed is read", [](const std::vector<std::string>& payloads) {
    std::string wire;
    for (const std::string& payload : payloads) wire += seal(0, payload);
    EnvelopeReader reader;
    std::vector<std::string> got;
    while (!wire.empty()) {
      const auto size = *rc::gen::inRange<std::size_t>(1, wire.size() + 1);
      reader.push(wire.substr(0, size));
      wire.erase(0, size);
      for (;;) {
        const auto next = reader.next();
        RC_ASSERT(next.has_value());
        if (!*next) break;
        got.push_back((*next)->payload);
      }
    }
    RC_ASSERT(got == payloads);
    RC_ASSERT(reader.rest() == 0U);
  });
}

TEST_CASE("a stream that breaks the rules is given up", "[e2b]") {
  const auto error_of = [](std::string_view bytes) {
    EnvelopeReader reader(100);
    reader.push(bytes);
    const auto next = reader.next();
    REQUIRE_FALSE(next);
    return next.error().code;
  };
  CHECK(error_of(std::string_view("\0\0\0\0\x65", 5)) == Code::resource_exhausted);
  CHECK(error_of(std::string_view("\0\xff\xff\xff\xff", 5)) == Code::resource_exhausted);
  CHECK(error_of(std::string_view("\x01\0\0\0\0", 5)) == Code::internal);  // compressed
  CHECK(error_of(std::string_view("\x04\0\0\0\0", 5)) == Code::internal);  // undefined
  CHECK(error_of("HTTP/1.1") == Code::internal);
}

TEST_CASE("process events are read, with proto3's zeros left out", "[e2b]") {
  CHECK(decode_event(R"({"event":{"start":{"pid":812}}})")->pid == 812);
  CHECK(decode_event(R"({"event":{"data":{"stdout":"aGk="}}})")->bytes == "hi");
  CHECK(decode_event(R"({"event":{"data":{"stderr":""}}})")->kind == Kind::err);
  CHECK(decode_event(R"({"event":{"data":{"pty":"AA=="}}})")->bytes == std::string(1, '\0'));
  CHECK(decode_event(R"({ "event" : {"keepalive":{}}})")->kind == Kind::keepalive);
  const auto zero = decode_event(R"({"event":{"end":{"exited":true,"status":"exit status 0"}}})");
  CHECK(zero->exit_code == 0);
  CHECK(zero->exited);
  const auto killed = decode_event(R"({"event":{"end":{"exitCode":-1,"status":"signal: killed"}}})");
  CHECK(killed->exit_code == -1);
  CHECK_FALSE(killed->exited);
  CHECK(killed->status == "signal: killed");
  CHECK(decode_event(R"({"event":{"tomorrow":{}}})")->kind == Kind::other);
  CHECK_FALSE(decode_event(R"({"event":{"data":{"stdout":"!"}}})"));
  CHECK_FALSE(decode_event("[1]"));
  CHECK_FALSE(decode_event(std::string(10'000, '{')));
}

TEST_CASE("the end of a stream is clean or an error", "[e2b]") {
  CHECK_FALSE(decode_end("{}"));
  const auto error = decode_end(R"({"error":{"code":"not_found","message":"process with pid 5 not found"}})");
  REQUIRE(error);
  CHECK(error->code == Code::not_found);
  CHECK(error->message == "process with pid 5 not found");
  CHECK(decode_end("")->code == Code::internal);
  CHECK(connect_code("canceled") == Code::cancelled);
  CHECK(connect_code("unavailable") == Code::unavailable);
  CHECK(connect_code("data_loss") == Code::internal);
  CHECK(connect_code("nonsense") == Code::internal);
}

TEST_CASE("requests have the service's names", "[e2b]") {
  CHECK(Json::parse(encode_start({.cmd = "/bin/sh", .args = {"-c", "true"}, .env = {{"A", "1"}}, .tag = "t"})) ==
        Json::parse(R"({"process":{"cmd":"/bin/sh","args":["-c","true"],"envs":{"A":"1"}},"stdin":false,"tag":"t"})"));
  CHECK(Json::parse(encode_input(7, "hi")) == Json::parse(R"({"process":{"pid":7},"input":{"stdin":"aGk="}})"));
  CHECK(Json::parse(encode_signal(7, Signal::kill)) ==
        Json::parse(R"({"process":{"pid":7},"signal":"SIGNAL_SIGKILL"})"));
}

TEST_CASE("versions compare by their numbers", "[e2b]") {
  CHECK(version_at_least("0.6.13", "0.5.7"));
  CHECK(version_at_least("0.5.7", "0.5.7"));
  CHECK_FALSE(version_at_least("0.5.6", "0.5.7"));
  CHECK(version_at_least("0.10.0", "0.9.9"));
  CHECK(version_at_least("1", "0.9.9"));
  CHECK_FALSE(version_at_least("", "0.0.1"));
  CHECK_FALSE(version_at_least("x", "0.0.0"));
}

TEST_CASE("a port is reached by host name, or by headers", "[e2b]") {
  Remote sandbox{.id = "i1", .envd_token = "et", .traffic_token = "tt"};
  const auto has = [](const Door& door, const http_client::Header& header) {
    return std::ranges::find(door.headers, header) != door.headers.end();
  };
  const Door hosted = door_to(sandbox, kEnvdPort, {});
  CHECK(hosted.url == "https://sandbox.e2b.app");
  CHECK(has(hosted, {"E2b-Sandbox-Id", "i1"}));
  CHECK(has(hosted, {"X-Access-Token", "et"}));
  CHECK_FALSE(has(hosted, {"e2b-traffic-access-token", "tt"}));
  const Door port = door_to(sandbox, 49900, {});
  CHECK(port.url == "https://49900-i1.e2b.app");
  CHECK(port.headers == std::vector<http_client::Header>{{"e2b-traffic-access-token", "tt"}});
  const Door one = door_to(sandbox, 49900, {.sandbox_url = "http://127.0.0.1:3999"});
  CHECK(one.url == "http://127.0.0.1:3999");
  CHECK(has(one, {"E2b-Sandbox-Port", "49900"}));
  sandbox.domain = "own.test:8443";
  CHECK(door_to(sandbox, kEnvdPort, {}).url == "https://49983-i1.own.test:8443");
}

}  // namespace
}  // namespace swarm::e2b
