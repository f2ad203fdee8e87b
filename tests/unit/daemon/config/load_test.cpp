#include "daemon/config/load.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "daemon/config/report.hpp"

using namespace swarm;
using namespace swarm::config;
using namespace std::chrono_literals;

namespace {

Sources named(std::vector<std::pair<std::string, std::string>> environment = {}, std::vector<Flag> flags = {}) {
  return {.path = "c.toml", .environment = std::move(environment), .flags = std::move(flags)};
}

Loaded good(std::string_view text, const Sources& sources = named()) {
  auto loaded = load_text(text, sources);
  INFO((loaded ? "" : to_string(loaded.error())));
  REQUIRE(loaded);
  return std::move(*loaded);
}

std::string bad(std::string_view text, const Sources& sources = named()) {
  const auto loaded = load_text(text, sources);
  REQUIRE_FALSE(loaded);
  return to_string(loaded.error());
}

/// A directory that goes with the test.
struct Directory {
  std::filesystem::path path;
  Directory() {
    std::string pattern = "/tmp/swarm-config-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
};

}  // namespace

TEST_CASE("an empty file is the defaults") {
  const Loaded loaded = good("");
  CHECK(loaded.config.log.level == LogLevel::info);
  CHECK(loaded.config.sandbox.lease == Duration(5min));
  CHECK(loaded.origins.empty());
  CHECK(diff(loaded.config, Config{}).empty());
}

TEST_CASE("every kind of value is read") {
  const Config config = good(R"(
[log]
level = "debug"
levels = { wire = "trace", store = "warn" }
max_size = "20MiB"
[sandbox]
cpus = 1
provider = ["local"]
network = "allow"
allow = ["github.com", "*.npmjs.org:443"]
[template.node]
cpus = 0.5
env = { NODE_ENV = "test" }
user_namespaces = true
tools = ["claude@2.1.0", "codex"]
[provider.local]
create_rate = "60/min"
id_range = "200000:65536"
[pool.fast]
template = "node"
min_ready = 2
[secret.github]
source = "command"
command = ["pass", "show", "github"]
swarms = ["web-*"]
)")
                            .config;
  CHECK(config.log.level == LogLevel::debug);
  CHECK(config.log.levels.at("wire") == LogLevel::trace);
  CHECK(config.log.max_size == ByteSize{20U << 20U});
  CHECK(config.sandbox.cpus == 1.0);
  CHECK(config.sandbox.network == Network::allow);
  CHECK(config.templates.at("node").cpus == 0.5);
  CHECK(config.templates.at("node").env.at("NODE_ENV") == "test");
  CHECK_FALSE(config.templates.at("node").memory);
  CHECK(config.local.create_rate == Rate{60, 1min});
  CHECK(config.pools.at("fast").min_ready == 2);
  CHECK(config.secrets.at("github").command == std::vector<std::string>{"pass", "show", "github"});
}

TEST_CASE("all mistakes are reported, each with its place and what was meant") {
  CHECK(bad(R"([log]
levle = "info"
format = "xml"
max_size = 10485760
keep = "five"
levels = { wire = "loud" }
[limits]
connections = 0
conections = 5
[logs]
x = 1
[sandbox]
lease = "300"
provider = ["local", "clowd"]
allow = ["ok.org", 7]
memory_mb = 512
level = "info"
[poool.fast]
min_ready = 1
[pool]
min_ready = 1
[pool.Fast]
[provider.elsewhere]
url = "x"
)") == R"(c.toml:2:1: unknown setting 'log.levle'; did you mean 'log.level'?
c.toml:3:10: log.format: expected one of "auto", "human", "json", "journald"; got "xml"
c.toml:4:12: log.max_size: expected a size from "64KiB" to "4GiB"; got the integer 10485760
c.toml:5:8: log.keep: expected a whole number from 0 to 100; got "five"
c.toml:6:19: log.levels: expected a table whose values are each one of "trace", "debug", "info", "warn", "error", "off"; got "loud"
c.toml:8:15: limits.connections: expected a whole number from 1 to 1000000; got the integer 0
c.toml:9:1: unknown setting 'limits.conections'; did you mean 'limits.connections'?
c.toml:10:2: unknown table [logs]; did you mean 'log'?
c.toml:13:9: sandbox.lease: expected a duration from "10s" to "7d"; got "300"
c.toml:14:22: sandbox.provider: expected a list of providers; known: "local", "e2b"; got "clowd"
c.toml:15:20: sandbox.allow: expected a list of host names such as "github.com", "*.npmjs.org" or "example.com:8443"; got the integer 7
c.toml:16:1: unknown setting 'sandbox.memory_mb'; did you mean 'sandbox.memory'?
c.toml:17:1: unknown setting 'sandbox.level'; did you mean 'log.level'?
c.toml:18:2: unknown table [poool]; did you mean 'pool'?
c.toml:21:1: 'min_ready' stands in a table with a name: [pool.NAME]
c.toml:22:7: [pool.Fast]: expected a name of a-z, 0-9, _ and -, at most 63 long
c.toml:23:11: unknown table [provider.elsewhere]; the tables are [provider.local], [provider.e2b]
)");
}

TEST_CASE("a value where a table belongs, and the other way round") {
  CHECK(bad("log = 3") == "c.toml:1:7: log: expected a table [log]; got the integer 3\n");
  CHECK(bad("[log.level]\nx = 1\n") ==
        "c.toml:1:1: log.level: expected one of \"trace\", \"debug\", \"info\", \"warn\", \"error\", \"off\"; got a "
        "table\n");
  CHECK(bad("level = \"info\"") == "c.toml:1:1: unknown setting 'level'; did you mean 'log.level'?\n");
}

TEST_CASE("a broken file is one mistake, and the other layers are still checked") {
  const std::string text = bad("[log]\nlevel = \"info\n", named({{"SWARMD_LOG_KEEP", "many"}}));
  CHECK(text.starts_with("c.toml:2:"));
  CHECK(text.ends_with("SWARMD_LOG_KEEP: log.keep: expected a whole number from 0 to 100; got \"many\"\n"));
}

TEST_CASE("flags win over the environment, the environment over the file, the file over the defaults") {
  const std::string file = "[log]\nlevel = \"warn\"\nkeep = 1\nmax_size = \"1MiB\"\n";
  const Loaded loaded = good(file, named({{"SWARMD_LOG_LEVEL", "error"}, {"SWARMD_LOG_KEEP", "2"}, {"HOME", "/root"}},
                                         {{"--log-level", "log.level", "debug"}}));
  CHECK(loaded.config.log.level == LogLevel::debug);
  CHECK(loaded.config.log.keep == 2);
  CHECK(loaded.config.log.max_size == ByteSize{1U << 20U});
  const auto shown = describe(loaded, "log");
  const auto origin = [&](std::string_view key) { return std::ranges::find(shown, key, &Shown::key)->origin; };
  CHECK(origin("log.level") == "--log-level");
  CHECK(origin("log.keep") == "SWARMD_LOG_KEEP");
  CHECK(origin("log.max_size") == "c.toml:4:12");
  CHECK(origin("log.format") == "default");
  CHECK(loaded.warnings.empty());
}

TEST_CASE("environment variables reach every kind of setting") {
  const Config config = good("[pool.my-pool]\nmax_ready = 9\n[template.node]\n",
                             named({{"SWARMD_SOCKET", "/run/x.sock"},
                                    {"SWARM_LOG", "trace"},
                                    {"SWARMD_LOG_LEVELS", "wire=debug,store=off"},
                                    {"SWARMD_SANDBOX_CPUS", "1.5"},
                                    {"SWARMD_SANDBOX_ALLOW", "a.org,b.org"},
                                    {"SWARMD_PROVIDER_LOCAL_ENABLED", "no"},
                                    {"SWARMD_POOL_MY_POOL_MIN_READY", "3"},
                                    {"SWARMD_POOL_OTHER_MAX_READY", "5"},
                                    {"SWARMD_TEMPLATE_NODE_USER_NAMESPACES", "true"}}))
                            .config;
  CHECK(config.daemon.socket == "/run/x.sock");
  CHECK(config.log.level == LogLevel::trace);
  CHECK(config.log.levels.size() == 2);
  CHECK(config.sandbox.cpus == 1.5);
  CHECK(config.sandbox.allow == std::vector<std::string>{"a.org", "b.org"});
  CHECK_FALSE(config.local.enabled);
  CHECK(config.pools.at("my-pool").min_ready == 3);
  CHECK(config.pools.at("other").max_ready == 5);
  CHECK(config.templates.at("node").user_namespaces);
}

TEST_CASE("an unknown variable warns, an unknown flag is a mistake") {
  const Loaded loaded = good("", named({{"SWARMD_LOG_LEVLE", "debug"}, {"SWARMD_CONFIG", "/x"}}));
  REQUIRE(loaded.warnings.size() == 1);
  CHECK(loaded.warnings[0].to_string() == "SWARMD_LOG_LEVLE: no such setting; did you mean 'SWARMD_LOG_LEVEL'?");
  CHECK(bad("", named({}, {{"--set", "log.levell", "x"}})) ==
        "--set: unknown setting 'log.levell'; did you mean 'log.level'?\n");
  CHECK(key_of_flag("log-max-size") == "log.max_size");
  CHECK(key_of_flag("provider-local-id-range") == "provider.local.id_range");
  CHECK(key_of_flag("pool-NAME-min-ready").empty());
}

TEST_CASE("settings that do not fit together") {
  CHECK(bad(R"([sandbox]
template = "nodee"
network = "allow"
[template.node]
[pool.a]
template = "node"
min_ready = 5
max_ready = 2
[secret.k]
source = "command"
file = "/x"
)") == R"(c.toml:2:12: sandbox.template: there is no [template.nodee]; did you mean 'node'?
c.toml:1:2: sandbox.allow: network = "allow" needs the names that may be reached; for none use network = "off"
c.toml:7:13: pool.a.min_ready: 5 is more than max_ready, 2
c.toml:11:8: secret.k.file: is only used with source = "file"
c.toml:9:9: secret.k.command: source = "command" needs 'command'
)");
}

TEST_CASE("a value in a secret's table never shows in a message") {
  const std::string text =
      bad("[secret.k]\nsource = \"sk-ant-api03-abc\"\nvalue = \"hunter22\"\ntimeout = \"hunter22\"\n");
  CHECK(text.find("sk-ant") == std::string::npos);
  CHECK(text.find("hunter22") == std::string::npos);
  CHECK(text.find("secret.k.timeout: expected a duration from \"100ms\" to \"5m\"; got a string") != std::string::npos);
  CHECK(bad("secret = \"hunter22\"").find("hunter22") == std::string::npos);
  CHECK(bad("[secret]\nk = \"hunter22\"").find("hunter22") == std::string::npos);
}

TEST_CASE("host uid ranges below 1000 are refused: host root is never mapped") {
  for (const char* range : {"0:65536", "999:1", "100000", "x:1", "100000:0", "4294967295:10", "99999999999:1"}) {
    INFO(range);
    CHECK(bad("[provider.local]\nid_range = \"" + std::string(range) + "\"").find("id_range: expected a range") !=
          std::string::npos);
  }
}

TEST_CASE("a missing file is fine at the default place and a mistake where it was named") {
  Directory directory;
  const auto path = directory.path / "config.toml";
  const auto fine = load({.path = path, .file = Sources::File::may_be_missing, .environment = {}, .flags = {}});
  REQUIRE(fine);
  CHECK(fine->path.empty());
  const auto named_file = load({.path = path, .file = Sources::File::must_exist, .environment = {}, .flags = {}});
  REQUIRE_FALSE(named_file);
  CHECK(to_string(named_file.error()) == path.string() + ": no such file; it was named explicitly, so it must exist\n");
}

TEST_CASE("files are read as a whole, and what is no file is refused") {
  Directory directory;
  const auto path = directory.path / "config.toml";
  std::ofstream(path) << "#" << std::string(200'000, 'x') << "\n[log]\nkeep = 7\n";
  const auto loaded = load({.path = path, .environment = {}, .flags = {}});
  REQUIRE(loaded);
  CHECK(loaded->config.log.keep == 7);
  CHECK(loaded->path == path);
  std::ofstream(path) << "#" << std::string(2'000'000, 'x');
  const auto large = load({.path = path, .environment = {}, .flags = {}});
  REQUIRE_FALSE(large);
  CHECK(to_string(large.error()) == path.string() + ": larger than 1 MiB, which no configuration needs\n");
  const auto fifo = directory.path / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const auto no_file = load({.path = fifo, .environment = {}, .flags = {}});
  REQUIRE_FALSE(no_file);
  CHECK(to_string(no_file.error()) == fifo.string() + ": not a regular file\n");
}
