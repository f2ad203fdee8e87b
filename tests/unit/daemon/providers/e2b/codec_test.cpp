#include "daemon/providers/e2b/codec.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace swarm::e2b {
namespace {

using Json = nlohmann::json;

TEST_CASE("a create says what was asked for and leaves the rest to the service", "[e2b]") {
  const NewSandbox wanted{.template_id = "base",
                          .timeout = std::chrono::seconds(61),
                          .metadata = {{"swarmd", "1"}},
                          .env = {{"LANG", "C.UTF-8"}},
                          .internet = false,
                          .network = {.allow_out = {"example.org"}, .deny_out = {"0.0.0.0/0"}, .public_traffic = false},
                          .auto_pause = true,
                          .mcp = R"({"exa":{"apiKey":"k"}})"};
  const auto v1 = encode(wanted, Route::v1);
  REQUIRE(v1);
  CHECK(Json::parse(*v1) == Json::parse(R"({"templateID":"base","timeout":61,"metadata":{"swarmd":"1"},
    "envVars":{"LANG":"C.UTF-8"},"secure":true,"autoPause":true,"allow_internet_access":false,
    "network":{"allowOut":["example.org"],"denyOut":["0.0.0.0/0"],"allowPublicTraffic":false},
    "mcp":{"exa":{"apiKey":"k"}}})"));
  CHECK_FALSE(Json::parse(*encode(wanted, Route::v2)).contains("secure"));
  const auto least = encode({.template_id = "base"}, Route::v1);
  CHECK(Json::parse(*least) == Json::parse(R"({"templateID":"base","timeout":300,"secure":true})"));
  const auto bad = encode({.template_id = "base", .mcp = "[1]"}, Route::v1);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Code::invalid_argument);
}

TEST_CASE("a sandbox is read with what its answer has", "[e2b]") {
  const auto full = decode_sandbox(R"({"templateID":"t","sandboxID":"i1a2b3","clientID":"c","alias":"base",
    "envdVersion":"0.6.13","envdAccessToken":"tok","trafficAccessToken":null,"domain":"x.test:8443","state":"paused",
    "startedAt":"2026-08-20T10:00:05.25Z","endAt":"2026-08-20T12:00:05+02:00","cpuCount":2,"memoryMB":512,
    "diskSizeMB":1024,"metadata":{"a":"b","n":1},"new":{"x":[]}})");
  REQUIRE(full);
  CHECK(full->id == "i1a2b3");
  CHECK(full->envd_token == "tok");
  CHECK(full->traffic_token.empty());
  CHECK(full->domain == "x.test:8443");
  CHECK(full->state == State::paused);
  CHECK(full->started == WallTime{1'787'220'005'250'000});
  CHECK(full->ends == WallTime{1'787'220'005'000'000});
  CHECK(full->memory_mib == 512);
  CHECK(full->metadata == std::map<std::string, std::string>{{"a", "b"}});
  CHECK_FALSE(decode_sandbox(R"({"sandboxID":"i1"})")->cpus);
}

TEST_CASE("what is no sandbox is refused", "[e2b]") {
  for (const char* text : {"", "[]", "{}", "null", R"({"sandboxID":7})", R"({"sandboxID":"../x"})",
                           R"({"sandboxID":"a.b"})", R"({"sandboxID":"i1")", "<html>"}) {
    CAPTURE(text);
    const auto sandbox = decode_sandbox(text);
    REQUIRE_FALSE(sandbox);
    CHECK(sandbox.error().code == Code::internal);
  }
  CHECK_FALSE(decode_sandboxes(R"([{"sandboxID":"i1"},{}])"));
  CHECK_FALSE(decode_sandboxes(std::string(100'000, '[')));
}

TEST_CASE("metrics, logs and templates are read", "[e2b]") {
  const auto samples = decode_metrics(R"([{"timestamp":"2026-08-20T10:00:05Z","timestampUnix":1787220005,"cpuCount":2,
    "cpuUsedPct":12.5,"memUsed":134217728,"memTotal":507592704,"diskUsed":1514856448,"diskTotal":2573185024}])");
  REQUIRE(samples);
  CHECK(samples->at(0).time == WallTime{1'787'220'005'000'000});
  CHECK(samples->at(0).cpu_used_percent == 12.5);
  CHECK(samples->at(0).disk_total == 2'573'185'024);
  const auto lines = decode_logs(R"({"logs":[{"timestamp":"2026-08-20T10:00:05Z","message":"m","level":"info"}]})");
  REQUIRE(lines);
  CHECK(lines->at(0).message == "m");
  const auto templates = decode_templates(R"([{"templateID":"t1","names":["a/b"],"aliases":["b"],"cpuCount":2}])");
  REQUIRE(templates);
  CHECK(templates->at(0).names == std::vector<std::string>{"a/b"});
}

TEST_CASE("a number beyond what an integer holds is none", "[e2b]") {
  const auto samples = decode_metrics(R"([{"timestampUnix":1e300,"memUsed":-1,"memTotal":1e300,"diskUsed":1e15}])");
  REQUIRE(samples);
  CHECK(samples->at(0).time == WallTime{});
  CHECK(samples->at(0).memory_used == 0);
  CHECK(samples->at(0).memory_total == 0);
  CHECK(samples->at(0).disk_used == 1'000'000'000'000'000);
}

TEST_CASE("a metadata filter is encoded three times", "[e2b]") {
  CHECK(metadata_filter({{"k y", "v&1"}}) == "k%252520y%3Dv%2525261");
  CHECK(metadata_filter({{"a", "1"}, {"b", "2"}}) == "a%3D1%26b%3D2");
}

TEST_CASE("times are read with fractions and offsets", "[e2b]") {
  CHECK(parse_time("1970-01-01T00:00:01Z") == WallTime{1'000'000});
  CHECK(parse_time("1970-01-01T01:00:01.000001234+01:00") == WallTime{1'000'001});
  CHECK(parse_time("1969-12-31T23:30:00-00:30") == WallTime{0});
  for (const char* text : {"", "1970-01-01", "1970-01-01T00:00:01", "1970-13-01T00:00:01Z", "1970-01-01T00:00:01Zx",
                           "1970-01-01T00:00:01+0100", "aaaa-01-01T00:00:01Z", "-970-01-01T00:00:01Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_time(text));
  }
}

}  // namespace
}  // namespace swarm::e2b
