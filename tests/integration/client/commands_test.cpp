#include <fstream>

#include "protocol/api/json.hpp"
#include "tests/integration/client/rig.hpp"

namespace swarm::tests {
namespace {

Value json_of(const std::string& text) {
  Result<Value> value = api::value_from_json(text);
  INFO(text);
  REQUIRE(value);
  return std::move(*value);
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE_METHOD(ClientRig, "sandboxes are made, listed, shown and ended") {
  Ran ran = run({"sandbox", "create", "--name", "web", "--label", "team=x", "--memory", "512MiB", "--lease", "1h",
                 "--allow", "pypi.org"});
  CHECK(ran.status == 0);
  REQUIRE(daemon.sandboxes().size() == 1);
  CHECK(ran.out == daemon.sandboxes()[0].id + "\n");
  CHECK(daemon.created->labels.at("team") == "x");
  CHECK(daemon.created->limits.memory_bytes == std::uint64_t{512} << 20U);
  CHECK(daemon.created->lease_ms == std::chrono::hours(1));
  CHECK(daemon.created->network->allow == std::vector<std::string>{"pypi.org"});

  for (int i = 0; i < 4; ++i) daemon.add("");
  ran = run({"sandbox", "ls"});
  CHECK(ran.status == 0);
  CHECK(has(ran.out, "web"));
  CHECK(std::ranges::count(ran.out, '\n') == 6);  // three pages
  CHECK_FALSE(has(ran.out, "\x1b"));
  ran = run({"--json", "sandbox", "ls"});
  CHECK(json_of(ran.out).find("sandboxes")->as_array()->size() == 5);
  ran = run({"sandbox", "ls", "--ids", "--limit", "3"});
  CHECK(std::ranges::count(ran.out, '\n') == 3);

  CHECK(has(run({"sandbox", "info", "web"}).out, "memory: 1 GiB (cgroup_v2)"));
  CHECK(run({"sandbox", "info", "nope"}).status == 4);
  CHECK(has(run({"sandbox", "pause", "web"}).out, "is paused"));
  CHECK(has(run({"sandbox", "extend", "web", "2h"}).out, "in "));
  CHECK(run({"sandbox", "extend", "web", "2"}).status == 2);

  ran = run({"sandbox", "kill", "nope", "web"});
  CHECK(ran.status == 4);
  CHECK(ran.out == daemon.sandboxes()[0].id + "\n");
  CHECK(has(ran.err, "no sandbox 'nope'"));
  CHECK(run({"sandbox", "kill"}).status == 2);
  CHECK(run({"sandbox", "kill", "--all"}).status == 0);
  CHECK(has(run({"sandbox", "ls"}).err, "swarmctl sandbox create"));
}

TEST_CASE_METHOD(ClientRig, "what a sandbox says reaches no terminal as control") {
  daemon.add("web");
  const Ran ran = run({"sandbox", "metrics", "web"});
  CHECK(has(ran.out, "300 MiB of 1 GiB"));
  CHECK(has(ran.out, "evil"));
  CHECK_FALSE(has(ran.out, "\x1b"));
}

TEST_CASE_METHOD(ClientRig, "refusals are sentences on standard error, and documents with --json") {
  daemon.refuse("sandbox.create", fail(Code::resource_exhausted, "all 4 sandboxes are taken").error());
  Ran ran = run({"sandbox", "create"});
  CHECK(ran.status == 1);
  CHECK(ran.err == "swarmctl: all 4 sandboxes are taken\n");
  daemon.refuse("sandbox.create", fail(Code::resource_exhausted, "all 4 sandboxes are taken").error());
  ran = run({"--json", "sandbox", "create"});
  CHECK(*json_of(ran.out).find("error")->find("code")->as_string() == "resource_exhausted");
}

TEST_CASE_METHOD(ClientRig, "a daemon that goes away meanwhile is an answer too") {
  daemon.add("web");
  for (const auto& [method, words] :
       std::map<std::string, std::vector<std::string>>{{"sandbox.create", {"sandbox", "create"}},
                                                       {"sandbox.list", {"sandbox", "ls"}},
                                                       {"events.list", {"events"}},
                                                       {"template.list", {"template", "ls"}},
                                                       {"daemon.info", {"daemon", "status"}},
                                                       {"forward.open", {"forward", "web", "80"}}}) {
    CAPTURE(method);
    daemon.die_at(method);
    const Ran ran = run(words);
    CHECK(ran.status == 3);
    CHECK(has(ran.err, "the daemon went away before it answered " + method));
  }
  daemon.die_at("exec.start");
  CHECK(run({"exec", "web", "--", "true"}).status == 125);
}

TEST_CASE_METHOD(ClientRig, "without a daemon --no-start says what to do") {
  async::SpawnOptions options{
      .argv = {SWARM_BIN_DIR "/swarmctl", "--no-start", "--socket", directory / "none.sock", "sandbox", "ls"},
      .env = environment()};
  const auto ran = loop.block_on(async::run_command(loop, std::move(options)));
  REQUIRE(ran);
  CHECK(ran->status.code == 3);
  CHECK(has(ran->err, "start one with 'swarmctl daemon start'"));
}

TEST_CASE_METHOD(ClientRig, "a wanted daemon that does not start says why") {
  const std::string program = directory / "swarmd";
  std::ofstream(program) << "#!/bin/sh\necho 'swarmd: the disk is \033[31mfull' >&2\nexit 1\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  async::SpawnOptions options{.argv = {SWARM_BIN_DIR "/swarmctl", "--socket", directory / "none.sock", "sandbox", "ls"},
                              .env = environment()};
  options.env.push_back("SWARMD_BIN=" + program);
  const auto ran = loop.block_on(async::run_command(loop, std::move(options)));
  REQUIRE(ran);
  CHECK(ran->status.code == 3);
  CHECK(has(ran->err, "the daemon did not start: swarmd: the disk is full"));
}

TEST_CASE_METHOD(ClientRig, "the daemon is shown and stopped") {
  CHECK(has(run({"daemon", "status"}).out, "running for 3 min"));
  CHECK(has(run({"daemon", "start"}).out, "runs already"));
  CHECK(run({"daemon", "stop"}).out == "The daemon has stopped\n");
  CHECK(daemon.stopped);
  CHECK(json_of(run({"--json", "version"}).out).find("daemon") != nullptr);
}

TEST_CASE_METHOD(ClientRig, "doctor says what the daemon found, and survives a broken one") {
  Ran ran = run({"doctor"});
  CHECK(has(ran.out, "warning  cgroups: cgroup v2 is not delegated."));
  CHECK(has(ran.out, "-> Run the daemon under systemd."));
  daemon.die_at("daemon.doctor");
  ran = run({"doctor"});
  CHECK(ran.status == 1);
  CHECK(has(ran.out, "The daemon could not look at the machine"));
  daemon.die_at("daemon.info");
  ran = run({"--json", "doctor"});
  CHECK(ran.status == 1);
  CHECK(*json_of(ran.out).find("status")->as_string() == "failed");
}

TEST_CASE_METHOD(ClientRig, "events are listed") {
  daemon.tell(
      {.type = "sandbox.state", .sandbox = "saaaaaaaaaaaaaaaaaaab", .data = Value(Value::Map{{"to", "gone\x1b[2J"}})});
  Ran ran = run({"events"});
  CHECK(has(ran.out, "sandbox.state"));
  CHECK_FALSE(has(ran.out, "\x1b"));
  ran = run({"--json", "events"});
  CHECK(*json_of(ran.out).find("type")->as_string() == "sandbox.state");
}

TEST_CASE_METHOD(ClientRig, "ports are forwarded, listed and closed") {
  daemon.add("web");
  CHECK(has(run({"forward", "-d", "web", "8080:80"}).out, "127.0.0.1:8080 leads to 127.0.0.1:80 in web"));
  CHECK(has(run({"forward", "ls"}).out, "fwd_1"));
  CHECK(run({"forward", "close", "fwd_1"}).status == 0);
  CHECK(run({"forward", "close", "fwd_1"}).status == 4);
  CHECK(run({"forward", "web", "eighty"}).status == 2);
  CHECK(run({"forward", "web"}).status == 2);
}

TEST_CASE_METHOD(ClientRig, "any method can be called") {
  daemon.add("web");
  CHECK(json_of(run({"rpc", "sandbox.info", R"({"sandbox": "web"})"}).out).find("id") != nullptr);
  CHECK(json_of(run({"rpc", "sandbox.info", "-"}, R"({"sandbox": "web"})").out).find("id") != nullptr);
  CHECK(run({"rpc", "sandbox.info", "{"}).status == 2);
  const Ran ran = run({"rpc", "sandbox.inof"});
  CHECK(ran.status == 1);
  CHECK(has(ran.err, "did you mean 'sandbox.info'"));
  std::ofstream(daemon.work() + "/a.txt") << "content";
  CHECK(run({"rpc", "files.download", R"({"sandbox": "web", "path": "a.txt"})", "--stream",
             "content=" + (directory / "copy")})
            .status == 0);
  std::ifstream copy(directory / "copy");
  std::string line;
  std::getline(copy, line);
  CHECK(line == "content");
}

TEST_CASE_METHOD(ClientRig, "completion knows the sandboxes") {
  daemon.add("web");
  daemon.add("worker");
  const Ran ran = run({"__complete", "--", "sandbox", "info", "w"});
  CHECK(has(ran.out, "web\tsandbox"));
  CHECK(has(ran.out, "worker\tsandbox"));
  daemon.die_at("sandbox.list");
  CHECK(run({"__complete", "--", "sandbox", "info", ""}).status == 0);
}

}  // namespace
}  // namespace swarm::tests
