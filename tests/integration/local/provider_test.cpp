// The provider as the daemon uses it, with real sandboxes.

#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "daemon/providers/local/provider.hpp"
#include "protocol/async/timer.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/integration/local/rig.hpp"

using namespace swarm;
using namespace swarm::local;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

struct ProviderFixture : tests::LoopFixture {
  test::TempDir directory;

  ProviderFixture() {
    fs::create_directories(directory.path() / "bundle/bin");
    for (const char* name : {"agentd-init", "sandbox-agent"})
      fs::copy_file(fs::path(SWARM_BIN_DIR) / name, directory.path() / "bundle/bin" / name);
  }

  /// A failed test leaves nothing running either.
  ~ProviderFixture() {
    LocalProvider provider(loop, settings());
    const auto left = loop.block_on(provider.list());
    if (!left) return;
    for (const auto& sandbox : *left) (void)loop.block_on(provider.kill(sandbox.ref));
  }

  Settings settings() const {
    Settings s;
    s.sandboxes = directory.path() / "sandboxes";
    s.cache = fs::path(test::etc_cache()).parent_path();
    s.tools = directory.path() / "tools";
    s.bundle = directory.path() / "bundle";
    s.programs = {.launcher = SWARM_BIN_DIR "/swarm-launch", .bwrap = "/usr/bin/bwrap"};
    s.agentd = {"/opt/swarm/bin/sandbox-agent"};
    return s;
  }

  static providers::CreateSpec spec(const std::string& id) {
    providers::CreateSpec spec;
    spec.id = id;
    spec.owner = "test";
    spec.template_name = "default";
    spec.secret = std::string(32, 'x');
    spec.lifetime = 60s;
    spec.limits.memory_bytes = 256U << 20;
    spec.limits.processes = 64;
    spec.limits.cpus = 1.0;
    return spec;
  }

  providers::CreateOutcome create(LocalProvider& provider, providers::CreateSpec s) {
    auto outcome = loop.block_on(provider.create(std::move(s)));
    if (outcome.kind != providers::CreateOutcome::Kind::created) FAIL(outcome.error.to_string());
    return outcome;
  }

  /// One command through the tunnel's socket.
  std::string run(LocalProvider& provider, const std::string& id, const std::string& command) {
    auto stream = loop.block_on(provider.dial(id));
    if (!stream) return stream.error().to_string();
    const std::string request = "1000\n" + command;
    auto sent = loop.block_on(transport::write_all(**stream, std::as_bytes(std::span(request))));
    REQUIRE(sent);
    (*stream)->shutdown_write();
    std::string text;
    std::vector<std::byte> buffer(4096);
    while (true) {
      auto n = loop.block_on((*stream)->read(buffer));
      if (!n || *n == 0) return text;
      text.append(reinterpret_cast<const char*>(buffer.data()), *n);
    }
  }
};

}  // namespace

TEST_CASE_METHOD(ProviderFixture, "create, use, list and kill a sandbox", "[sandbox]") {
  LocalProvider provider(loop, settings());
  const auto outcome = create(provider, spec("one"));
  CHECK(outcome.created.limits.size() == 5);
  CHECK(run(provider, "one", "echo $((1+1))") == "2\n\nexit:0");
  auto listed = loop.block_on(provider.list());
  REQUIRE(listed);
  REQUIRE(listed->size() == 1);
  CHECK((*listed)[0].owner == "test");
  CHECK(loop.block_on(provider.create(spec("one"))).error.code == Code::already_exists);
  CHECK(loop.block_on(provider.kill("one")));
  CHECK(loop.block_on(provider.kill("one")));
  CHECK(fs::is_empty(directory.path() / "sandboxes"));
  CHECK(loop.block_on(provider.list())->empty());
  CHECK_FALSE(loop.block_on(provider.dial("one")));
}

TEST_CASE_METHOD(ProviderFixture, "a sandbox that ends by itself is noticed and removed", "[sandbox]") {
  LocalProvider provider(loop, settings());
  create(provider, spec("one"));
  auto stream = loop.block_on(provider.dial("one"));
  REQUIRE(stream);
  const std::string end = "0\n!end";
  REQUIRE(loop.block_on(transport::write_all(**stream, std::as_bytes(std::span(end)))));
  (*stream)->shutdown_write();
  loop.block_on(provider.gone("one"));
  CHECK(fs::is_empty(directory.path() / "sandboxes"));
}

TEST_CASE_METHOD(ProviderFixture, "another provider takes up the sandboxes of one that is gone", "[sandbox]") {
  {
    LocalProvider first(loop, settings());
    create(first, spec("one"));
    create(first, spec("two"));
    run(first, "one", "echo kept > /workspace/file");
  }
  LocalProvider second(loop, settings());
  auto listed = loop.block_on(second.list());
  REQUIRE(listed);
  REQUIRE(listed->size() == 2);
  CHECK((*listed)[0].created.limits.size() == 5);
  CHECK(run(second, "one", "cat /workspace/file") == "kept\n\nexit:0");
  CHECK(loop.block_on(second.kill("one")));
  CHECK(loop.block_on(second.kill("two")));
  CHECK(fs::is_empty(directory.path() / "sandboxes"));
}

TEST_CASE_METHOD(ProviderFixture, "a sandbox stands still while it is paused", "[sandbox]") {
  for (const auto choice : {CgroupChoice::automatic, CgroupChoice::v1, CgroupChoice::off}) {
    auto s = settings();
    s.cgroups = choice;
    LocalProvider provider(loop, s);
    create(provider, spec("one"));
    run(provider, "one", "(while :; do echo x >> /tmp/ticks; sleep 0.002; done) >/dev/null 2>&1 &");
    const auto paused = loop.block_on(provider.pause("one"));
    if (!paused) FAIL(paused.error().to_string());
    CHECK((*loop.block_on(provider.list()))[0].paused);
    REQUIRE(loop.block_on(provider.pause("one")));
    REQUIRE(loop.block_on(provider.resume("one")));
    CHECK(run(provider, "one", "a=$(wc -l < /tmp/ticks); while [ $(wc -l < /tmp/ticks) = $a ]; do :; done; echo on") ==
          "on\n\nexit:0");
    REQUIRE(loop.block_on(provider.pause("one")));
    // Killed as it stands.
    CHECK(loop.block_on(provider.kill("one")));
    CHECK(fs::is_empty(directory.path() / "sandboxes"));
  }
}

TEST_CASE_METHOD(ProviderFixture, "a sandbox that writes more than it may is stopped, and goes on in time",
                 "[sandbox]") {
  constexpr std::uint64_t kMiB = 1U << 20;
  auto provider = std::make_unique<LocalProvider>(loop, settings());
  auto small = spec("small");
  small.limits.disk_bytes = 32 * kMiB;
  const auto made = create(*provider, small);
  const auto disk = std::ranges::find(made.created.limits, api::Resource::disk, &api::LimitStatus::resource);
  REQUIRE(disk != made.created.limits.end());
  CHECK(disk->mechanism == api::LimitMechanism::watched);

  // Without a name, so that only who looks at open files sees it.
  CHECK(run(*provider, "small",
            "exec 7> /tmp/gone; rm /tmp/gone; head -c 48M /dev/zero >&7; sleep 600 > /dev/null 2>&1 & "
            "echo $! > /tmp/pid; echo written") == "written\n\nexit:0");
  const auto overrun = loop.block_on(provider->overrun("small"));
  REQUIRE(overrun.has_value());
  CHECK(overrun->limit == 32 * kMiB);
  CHECK(overrun->message.find("48 MiB") != std::string::npos);

  // A daemon that comes after this one finds it so.
  provider = std::make_unique<LocalProvider>(loop, settings());
  const auto listed = loop.block_on(provider->list());
  REQUIRE(listed);
  REQUIRE(listed->size() == 1);
  CHECK(listed->front().paused);
  CHECK(listed->front().at_limit);

  SECTION("with room made") {
    REQUIRE(loop.block_on(provider->resume("small")));
    CHECK(run(*provider, "small", "kill $(cat /tmp/pid); echo done") == "done\n\nexit:0");
    CHECK_FALSE(loop.block_on(provider->list())->front().at_limit);
    CHECK(run(*provider, "small",
              "(i=0; while [ $i -lt 500 ]; do head -c 4M /dev/zero > /tmp/f$i; i=$((i+1)); sleep 0.05; done) "
              "> /dev/null 2>&1 & echo more") == "more\n\nexit:0");
    REQUIRE(loop.block_on(provider->overrun("small")).has_value());
  }
  SECTION("with a higher limit") {
    const auto limits = loop.block_on(provider->limit_disk("small", 96 * kMiB));
    REQUIRE(limits);
    CHECK(std::ranges::find(*limits, api::Resource::disk, &api::LimitStatus::resource)->limit == 96 * kMiB);
    REQUIRE(loop.block_on(provider->resume("small")));
    CHECK(run(*provider, "small", "head -c 64M /dev/zero > /tmp/more; echo more") == "more\n\nexit:0");
    const auto again = loop.block_on(provider->overrun("small"));
    REQUIRE(again.has_value());
    CHECK(again->limit == 96 * kMiB);
  }
  CHECK(loop.block_on(provider->kill("small")));
}

TEST_CASE_METHOD(ProviderFixture, "a create that nobody waits for leaves a sandbox that can be found", "[sandbox]") {
  LocalProvider provider(loop, settings());
  // The host is looked up before, so that what is dropped is the making itself.
  (void)loop.block_on(provider.list());
  {
    async::TaskSet tasks(loop);
    tasks.spawn([](LocalProvider& p, providers::CreateSpec s) -> async::Task<> { co_await p.create(std::move(s)); }(
                                                                  provider, spec("one")));
    for (int i = 0; i < 3; ++i) loop.block_on([](async::Loop& l) -> async::Task<> { co_await l.yield(); }(loop));
  }
  loop.run_until_idle();
  auto listed = loop.block_on(provider.list());
  REQUIRE(listed);
  REQUIRE(listed->size() == 1);
  CHECK(loop.block_on(provider.kill("one")));
  CHECK(fs::is_empty(directory.path() / "sandboxes"));
}

TEST_CASE_METHOD(ProviderFixture, "what a crash in the middle of a create left is found or swept", "[sandbox]") {
  auto s = settings();
  {
    LocalProvider provider(loop, s);
    create(provider, spec("one"));
  }
  // As if the daemon had died between the start and writing it down.
  const auto path = s.sandboxes / "one/record.json";
  auto host = look_up_host(s);
  auto found = find_sandbox(*host, "one");
  REQUIRE(found);
  Record record = found->record;
  record.init.pid = 0;
  record.monitor = {};
  std::ofstream(path) << encode(record);
  found = find_sandbox(*host, "one");
  REQUIRE(found);
  REQUIRE(found->running);
  CHECK(found->running->record.init.pid != 0);
  // As if it had died before the start.
  fs::create_directories(s.sandboxes / "two/files");
  record.id = "two";
  record.cgroups = {};
  std::ofstream(s.sandboxes / "two/record.json") << encode(record);
  LocalProvider provider(loop, s);
  CHECK(loop.block_on(provider.list())->size() == 1);
  CHECK_FALSE(fs::exists(s.sandboxes / "two"));
  CHECK(loop.block_on(provider.kill("one")));
}

TEST_CASE_METHOD(ProviderFixture, "what cannot be made says why and leaves nothing", "[sandbox]") {
  auto s = settings();
  s.templates["broken"] = {.binds = {"/no/such/path"}};
  s.templates["tool"] = {.tools = {"claude@9.9.9"}};
  s.most = 1;
  LocalProvider provider(loop, s);
  auto one = spec("one");
  one.template_name = "broken";
  CHECK(loop.block_on(provider.create(one)).error.message.find("/no/such/path") != std::string::npos);
  one.template_name = "tool";
  CHECK(loop.block_on(provider.create(one)).error.message.find("template install claude@9.9.9") != std::string::npos);
  one.template_name = "absent";
  CHECK(loop.block_on(provider.create(one)).error.code == Code::not_found);
  one = spec("../one");
  CHECK(loop.block_on(provider.create(one)).error.code == Code::invalid_argument);
  one = spec("one");
  one.network.mode = api::NetworkMode::on;
  CHECK(loop.block_on(provider.create(one)).error.code == Code::unimplemented);
  CHECK((!fs::exists(s.sandboxes) || fs::is_empty(s.sandboxes)));
  create(provider, spec("one"));
  CHECK(loop.block_on(provider.create(spec("two"))).error.code == Code::resource_exhausted);
  CHECK(loop.block_on(provider.kill("one")));
  s.programs.bwrap = "/no/bwrap";
  LocalProvider without(loop, s);
  CHECK(loop.block_on(without.create(spec("one"))).error.message.find("/no/bwrap") != std::string::npos);
  CHECK(fs::is_empty(s.sandboxes));
  CHECK_FALSE(loop.block_on(without.problems()).empty());
}

TEST_CASE_METHOD(ProviderFixture, "figures come from the control groups", "[sandbox]") {
  LocalProvider provider(loop, settings());
  create(provider, spec("one"));
  const auto metrics = loop.block_on(provider.metrics("one"));
  if (metrics) {
    CHECK(metrics->cpu_us > 0);
  } else {
    CHECK(metrics.error().code == Code::unimplemented);
  }
  CHECK(loop.block_on(provider.kill("one")));
}

TEST_CASE_METHOD(ProviderFixture, "the bundle starts in a root that holds a static busybox and nothing else",
                 "[sandbox]") {
  if (access("/bin/busybox", X_OK) != 0) {
    WARN("skipped: needs busybox-static");
    return;
  }
  const auto root = directory.path() / "root";
  fs::create_directories(root / "bin");
  fs::copy_file("/bin/busybox", root / "bin/busybox");
  fs::create_symlink("busybox", root / "bin/sh");
  auto s = settings();
  s.bundle = SWARM_TEST_BUNDLE;
  s.agentd.clear();
  s.templates["busybox"] = {.root = root};
  LocalProvider provider(loop, s);
  auto wanted = spec("one");
  wanted.template_name = "busybox";
  create(provider, wanted);
  CHECK(run(provider, "one", "/bin/busybox ls /usr 2>&1; /bin/busybox id -u; echo here > /workspace/x && echo done") ==
        "ls: /usr: No such file or directory\n1000\ndone\n\nexit:0");
  CHECK(loop.block_on(provider.kill("one")));
}
