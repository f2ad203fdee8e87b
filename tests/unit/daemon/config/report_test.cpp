#include "daemon/config/report.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

using namespace swarm;
using namespace swarm::config;
using namespace std::chrono_literals;

TEST_CASE("docs/configuration.md is what the schema says") {
  const std::string path = SWARM_SOURCE_DIR "/docs/configuration.md";
  const std::string page = reference_page();
  if (std::getenv("SWARM_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << page;
  std::ifstream file(path);
  const std::string written{std::istreambuf_iterator<char>(file), {}};
  CHECK(written == page);
}

TEST_CASE("every setting has a doc, a unique key, variable and flag") {
  std::set<std::string> variables;
  std::set<std::string> flags;
  for (const std::string& key : all_keys()) {
    INFO(key);
    CHECK(variables.insert(environment_name(key)).second);
    CHECK(flags.insert(flag_name(key)).second);
    std::string real = key;
    if (const auto at = real.find(".NAME."); at != std::string::npos) real.replace(at, 6, ".x.");
    const auto found = locate(real);
    REQUIRE(found);
    CHECK(found->setting->doc.ends_with("."));
    CHECK_FALSE(found->setting->expected.empty());
  }
}

TEST_CASE("every default passes its own check and what is shown can be written into a file") {
  Loaded loaded;
  loaded.config.templates["t"].cpus = 2;
  loaded.config.templates["t"].env["A B"] = "x\"y";
  loaded.config.pools["p"];
  loaded.config.secrets["s"];
  loaded.config.log.levels["wire"] = LogLevel::debug;
  std::string text;
  for (const Shown& shown : describe(loaded)) {
    if (!shown.value.empty()) text += shown.key + " = " + shown.value + "\n";
  }
  const auto again = load_text(text, {.path = "shown.toml", .environment = {}, .flags = {}});
  INFO((again ? "" : to_string(again.error())));
  REQUIRE(again);
  CHECK(diff(loaded.config, again->config).empty());
}

TEST_CASE("the difference says what acts when") {
  Config before;
  before.pools["old"].min_ready = 1;
  Config after;
  after.log.level = LogLevel::debug;
  after.daemon.threads = 16;
  after.sandbox.lease = 10min;
  after.templates["node"];
  const auto changes = diff(before, after);
  CHECK(changes == std::vector<Change>{{"daemon.threads", "8", "16", Reload::restart},
                                       {"log.level", "\"info\"", "\"debug\"", Reload::now},
                                       {"sandbox.lease", "\"5m\"", "\"10m\"", Reload::next},
                                       {"template.node", "", "{}", Reload::now},
                                       {"pool.old.min_ready", "1", "", Reload::now}});
}

TEST_CASE("a reload keeps what needs a restart") {
  Config running;
  Config wanted;
  wanted.log.level = LogLevel::debug;
  wanted.daemon.threads = 16;
  wanted.pools["p"].min_ready = 2;
  const Config now = reloaded(running, wanted);
  CHECK(now.log.level == LogLevel::debug);
  CHECK(now.daemon.threads == 8);
  CHECK(now.pools.contains("p"));
  CHECK(diff(now, wanted).size() == 1);
}

TEST_CASE("a part of the configuration can be asked for") {
  const Loaded loaded;
  for (const Shown& shown : describe(loaded, "provider.local")) CHECK(shown.key.starts_with("provider.local."));
  CHECK(describe(loaded, "log.level").size() == 1);
  CHECK(describe(loaded, "lo").empty());
}
