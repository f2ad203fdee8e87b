#include "daemon/limits/limiters.hpp"

#include <catch2/catch.hpp>

#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::limits;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Rig : tests::FakeTimeFixture {
  test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  SeededRandom random{7};
  std::unique_ptr<store::Store> store;
  std::vector<Notice> notices;
  std::unique_ptr<Limiters> limiters;

  void start() {
    const std::array domains = {kLimitsDomain};
    store =
        must(store::Store::open(loop, {.path = dir / "state/db", .identity = {.program = "test 1"}}, domains, random));
    limiters = std::make_unique<Limiters>(Limiters::Setup{
        .loop = loop,
        .store = store.get(),
        .rules = {{.pattern = "provider/e2b/create",
                   .spec = {.rate = Rate{5, 1s}, .burst = 5},
                   .counted = true,
                   .from = "built in"},
                  {.pattern = "far/calls",
                   .spec = {.rate = Rate{100, 30s}, .burst = 2, .guard = 1s, .reserve = 40},
                   .counted = true,
                   .from = "built in"},
                  {.pattern = "mcp/*", .spec = {.rate = Rate{60, 1min}, .burst = 2}, .from = "configuration"}},
        .tell = [this](Notice notice) { notices.push_back(std::move(notice)); }});
    must(loop.block_on(limiters->recover()));
  }
  void stop() {
    limiters.reset();
    store.reset();
  }
  Permit permit(const std::string& key) { return must(loop.block_on(limiters->acquire(key, {}))); }
  Status status(const std::string& key) {
    for (Status& s : limiters->list()) {
      if (s.key == key) return s;
    }
    throw std::runtime_error("no status of " + key);
  }
  ~Rig() { stop(); }
};

}  // namespace

TEST_CASE("keys and patterns") {
  CHECK(is_key("mcp/github"));
  CHECK(is_key("provider/e2b/create"));
  for (const char* bad : {"", "mcp", "mcp/", "/mcp", "mcp//x", "mcp/GitHub", "a/b/c/d/e/f/g", "mcp/a b"}) {
    CHECK_FALSE(is_key(bad));
  }
  CHECK(key_matches("mcp/*", "mcp/github"));
  CHECK(key_matches("*", "mcp/github"));
  CHECK_FALSE(key_matches("mcp/git", "mcp/github"));
}

TEST_CASE_METHOD(Rig, "rules decide what a limiter allows, and setting one leaves the others alone") {
  start();
  permit("mcp/github");
  permit("mcp/jira");
  CHECK(status("mcp/github").from == "configuration");
  must(loop.block_on(limiters->set("mcp/github", {.rate = Rate{100, 1min}, .burst = 100})));
  CHECK(status("mcp/github").from == "set");
  CHECK(status("mcp/github").spec.rate == Rate{100, 1min});
  CHECK(status("mcp/jira").spec.rate == Rate{60, 1min});
  for (int i = 0; i < 50; ++i) permit("mcp/github");
  CHECK(status("mcp/github").waiting == 0);
  CHECK(limiters->totals().admitted == 52);
  must(loop.block_on(limiters->reset("mcp/github")));
  CHECK(status("mcp/github").spec.rate == Rate{60, 1min});
  CHECK(loop.block_on(limiters->reset("mcp/github")).error().code == Code::not_found);
  CHECK_THAT(loop.block_on(limiters->acquire("GitHub", {})).error().message, Contains("keys look like"));
  CHECK(limiters->list("provider/").size() == 1);
}

TEST_CASE_METHOD(Rig, "what was set, and what a provider was told to wait, survives a restart") {
  start();
  must(loop.block_on(limiters->set("mcp/github", {.rate = Rate{1, 1s}, .burst = 7, .guard = 5ms, .queue = 3})));
  permit("provider/e2b/create").throttled(90s);
  must(loop.block_on(limiters->remember()));
  stop();
  clock.advance(30s);
  start();
  CHECK(status("mcp/github").spec == Spec{.rate = Rate{1, 1s}, .burst = 7, .guard = 5ms, .queue = 3});
  std::optional<Permit> got;
  async::TaskSet set(loop);
  struct Wait {
    static async::Task<> run(Limiters& all, std::optional<Permit>& out) {
      Result<Permit> permit = co_await all.acquire("provider/e2b/create", {});
      if (permit) out = *permit;
    }
  };
  set.spawn(Wait::run(*limiters, got));
  loop.run_until_idle();
  CHECK(status("provider/e2b/create").blocked_for == 60s);
  CHECK(status("provider/e2b/create").thousandths == 500);
  advance(59s);
  CHECK_FALSE(got);
  advance(1s);
  CHECK(got);
}

TEST_CASE_METHOD(Rig, "after a crash a counted limit starts spent; others, and one that ended well, do not") {
  start();
  for (int i = 0; i < 3; ++i) permit("provider/e2b/create");
  stop();  // nothing was remembered
  start();
  const auto next_of = [&](const std::string& key) {
    async::TaskSet set(loop);
    struct Try {
      static async::Task<> run(Limiters& all, std::string k) {
        static_cast<void>(co_await all.acquire(std::move(k), {}));
      }
    };
    set.spawn(Try::run(*limiters, key));
    loop.run_until_idle();
    return status(key).next_in;
  };
  CHECK(next_of("provider/e2b/create") == 200ms);
  CHECK(next_of("mcp/github") == 0ms);
  clock.advance(2s);
  must(loop.block_on(limiters->remember()));
  stop();
  start();
  permit("provider/e2b/create");
}

TEST_CASE_METHOD(Rig, "a reserve is lent once in the time that the far end counts, however often there is a restart") {
  struct Taker {
    static async::Task<> run(Limiters& all, std::size_t& taken) {
      while (co_await all.acquire("far/calls", {})) ++taken;
    }
  };
  std::size_t sent = 0;
  // Each run takes what it gets for 5 s and is killed: 30 s in all, within one span of 31 s.
  for (int run = 0; run < 6; ++run) {
    start();
    if (run > 0) REQUIRE(status("far/calls").spec.reserve == 40);
    async::TaskSet set(loop);
    if (run > 0) set.spawn(Taker::run(*limiters, sent));
    advance(5s);
    set.cancel_all();
    loop.run_until_idle();
    stop();
  }
  // Up to a part of those lent is lost with each restart.
  CHECK(sent <= 40);
  CHECK(sent > 20);
  clock.advance(31s);
  start();
  std::size_t again = 0;
  {
    async::TaskSet set(loop);
    set.spawn(Taker::run(*limiters, again));
    advance(5s);
    set.cancel_all();
    loop.run_until_idle();
  }
  CHECK(again == 16);  // what the rate allows in 5 s
}

TEST_CASE_METHOD(Rig, "limiters that nobody uses any more are forgotten, not their counts") {
  start();
  for (int i = 0; i < 3000; ++i) {
    permit("messages/agent-" + std::to_string(i));
    clock.advance(1ms);
  }
  CHECK(limiters->list().size() < 2000);
  CHECK(limiters->totals().admitted == 3000);
}

TEST_CASE_METHOD(Rig, "changed rules act at once on what was not set") {
  start();
  permit("mcp/a");
  must(loop.block_on(limiters->set("mcp/b", {.rate = Rate{1, 1s}, .burst = 1})));
  limiters->set_rules({{.pattern = "mcp/*", .spec = {.rate = Rate{9, 1s}, .burst = 9}, .from = "configuration"}});
  CHECK(status("mcp/a").spec.rate == Rate{9, 1s});
  CHECK(status("mcp/b").spec.rate == Rate{1, 1s});
}
