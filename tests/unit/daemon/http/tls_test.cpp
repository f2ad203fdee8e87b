#include "protocol/async/process.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/unit/daemon/http/rig.hpp"

namespace swarm::tests {
namespace {

/// With a certificate of its own, judged by curl.
struct TlsRig : HttpRig {
  test::TemporaryDirectory directory;

  std::string run(std::vector<std::string> argv) {
    const auto done = loop.block_on(async::with_timeout(
        loop, async::run_command(loop, {.argv = std::move(argv), .env = async::current_environment()}),
        std::chrono::seconds(60), "command"));
    REQUIRE(done);
    return done->out +
           (done->status == async::ExitStatus{} ? "" : "<status " + std::to_string(done->status.code) + ">");
  }
  std::string path(const std::string& name) { return directory / name; }

  void secure() {
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path("key.pem"), "-out",
         path("cert.pem")});
    auto made = http::TlsContext::load(path("cert.pem"), path("key.pem"));
    REQUIRE(made);
    tls = std::move(*made);
    start();
  }
  std::string url(const std::string& rest) {
    return "https://127.0.0.1:" + std::to_string(server->address().port) + rest;
  }
  std::string curl(std::vector<std::string> more) {
    std::vector<std::string> argv{"curl", "-s", "--cacert", path("cert.pem"), "--max-time", "50"};
    argv.insert(argv.end(), more.begin(), more.end());
    return run(std::move(argv));
  }
};

}  // namespace

TEST_CASE_METHOD(TlsRig, "curl speaks HTTP/2 and HTTP/1.1 over TLS with us") {
  secure();
  CHECK(curl({"-w", "%{http_version}", url("/hello")}) == "hello2");
  CHECK(curl({"--http1.1", "-w", "%{http_version}", url("/hello")}) == "hello1.1");
  CHECK(curl({"-I", "-w", "%{http_code}", "-o", path("head"), url("/hello")}) == "200");
  CHECK(curl({"-w", "%{http_code}", url("/silent")}) == "500");
  CHECK(curl({"-o", path("cut"), url("/cut")}).starts_with("<status"));
}

TEST_CASE_METHOD(TlsRig, "large bodies go both ways over HTTP/2, unchanged") {
  secure();
  run({"sh", "-c", "head -c 20000000 /dev/urandom > " + path("in")});
  CHECK(curl({"--data-binary", "@" + path("in"), "-H", "expect:", "-o", path("out"), url("/echo")}).empty());
  CHECK(run({"cmp", path("in"), path("out")}).empty());
  CHECK(curl({"--http1.1", "--data-binary", "@" + path("in"), "-H", "expect:", "-o", path("out1"), url("/echo")})
            .empty());
  CHECK(run({"cmp", path("in"), path("out1")}).empty());
  CHECK(curl({"-o", path("big"), "-w", "%{size_download}", url("/big?n=50000000")}) == "50000000");
}

TEST_CASE_METHOD(TlsRig, "many requests at once share one HTTP/2 connection") {
  secure();
  // h2load and not `curl -Z`: curl 7.88 now and then lets one of its parallel transfers stand still.
  const std::string said = run({"h2load", "-n", "100", "-c", "1", "-m", "40", url("/big?n=300000")});
  CHECK_THAT(said, Catch::Contains("100 succeeded, 0 failed, 0 errored, 0 timeout"));
  CHECK(seen.written == 30'000'000);
}

TEST_CASE_METHOD(TlsRig, "an HTTP/2 request that is given up drops its handler") {
  secure();
  CHECK(curl({"--max-time", "0.3", url("/never")}).starts_with("<status 28"));
  until([&] { return seen.open == 0; });
  CHECK(seen.dropped == 1);
}

TEST_CASE_METHOD(TlsRig, "a client without TLS, or that says nothing, is given up") {
  secure();
  const auto client = connect();
  send(*client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  read(*client);
  until([&] { return server->connections() == 0; });
  CHECK(seen.paths.empty());
}

TEST_CASE("a certificate that cannot be used says which file") {
  const auto made = http::TlsContext::load("/nonexistent.pem", "/nonexistent.key");
  REQUIRE(!made);
  CHECK(made.error().message.contains("/nonexistent.pem"));
}

}  // namespace swarm::tests
