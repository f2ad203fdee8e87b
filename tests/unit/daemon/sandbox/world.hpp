#pragma once
// A daemon's sandboxes without the daemon.

#include <catch2/catch.hpp>

#include "daemon/sandbox/sandboxes.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/scripted_provider.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::sandbox::tests {

using namespace std::chrono_literals;
using Create = swarm::tests::ScriptedProvider::Create;

/// A store on disk, a scripted provider, time that tests move.
struct World : swarm::tests::FakeTimeFixture {
  test::TemporaryDirectory directory;
  SeededRandom random{4711};
  config::Config config;
  swarm::tests::ScriptedProvider provider{loop, random};
  swarm::tests::ScriptedProvider second{loop, random};  ///< asked only by who names it, or where it is configured
  wire::SessionBudget budget{loop, std::size_t{64} << 20U};
  wire::Router tunnel_router{{.name = "swarmd", .version = "0.1.0", .features = {}}, clock};
  TunnelSetup tunnels{.instance = wire::InstanceId::make(random),
                      .version = {.major = 0, .minor = 1},
                      .features = {},
                      .budget = budget,
                      .limits = {},
                      .session = {}};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Sandboxes> sandboxes;
  std::vector<providers::Provider*> configured{&provider, &second};  ///< at the next start

  /// Runs what is due, and what then comes through the tunnels' sockets: bytes that were just written are seen a round
  /// later.
  void settle() {
    for (int quiet = 0; quiet < 20; ++quiet) loop.run_until_idle();
  }
  /// As the fixture's, with time for the tunnels before each timer.
  void advance(Duration total) {
    const MonoTime end = clock.now() + total;
    settle();
    while (loop.next_timer() && *loop.next_timer() <= end) {
      clock.advance(std::max(Duration{0}, *loop.next_timer() - clock.now()));
      settle();
    }
    clock.advance(end - clock.now());
    settle();
  }

  World() {
    second.called = "second";
    config.sandbox.provider = {"scripted"};
    config.sandbox.lease = 5min;
    start();
  }

  void start() {
    auto opened = store::Store::open(loop, {.path = directory / "db", .identity = {.program = "test 1"}},
                                     std::array{kSandboxDomain, kPoolDomain}, random);
    REQUIRE(opened.has_value());
    store = std::move(*opened);
    sandboxes = std::make_unique<Sandboxes>(Surroundings{.loop = loop,
                                                         .store = *store,
                                                         .random = random,
                                                         .config = config,
                                                         .tunnels = tunnels,
                                                         .providers = configured,
                                                         .tunnel_router = tunnel_router});
    const Result<void> recovered = wait(sandboxes->recover());
    REQUIRE(recovered.has_value());
    settle();
  }

  /// The daemon dies between two steps; the provider does not.
  void restart() {
    sandboxes.reset();
    store.reset();
    tunnels.instance = wire::InstanceId::make(random);
    start();
  }

  template <class T>
  T wait(async::Task<T> task) {
    std::optional<T> out;
    async::TaskSet set(loop);
    set.spawn(keep(std::move(task), out));
    for (int i = 0; i < 1000 && !out; ++i) {
      settle();
      if (!out) advance(100ms);
    }
    REQUIRE(out.has_value());
    return std::move(*out);
  }

  template <class T>
  static async::Task<> keep(async::Task<T> task, std::optional<T>& out) {
    out.emplace(co_await std::move(task));
  }

  Result<api::SandboxInfo> create(api::SandboxCreateRequest request = {}, std::string key = {}) {
    std::optional<CallKey> call;
    if (!key.empty()) call = CallKey{.scope = "uid:0", .key = key, .method = "sandbox.create", .arguments = "x"};
    return wait(sandboxes->create(std::move(request), std::move(call)));
  }
  State state_of(const std::string& id) { return wait(sandboxes->info(id))->state; }
};

}  // namespace swarm::sandbox::tests
