#include "protocol/coord/host.hpp"

#include <catch2/catch.hpp>

#include "protocol/coord/schema.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::coord;
using namespace std::chrono_literals;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Hosted : tests::FakeTimeFixture {
  test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  SeededRandom random{3};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Host> host;
  int next = 0;

  Hosted() { open(); }
  void open() {
    const std::array domains = {kCoordDomain};
    store = must(store::Store::open(loop, {.path = dir / "db", .identity = {.program = "test"}}, domains, random));
    host = must(Host::open(loop, *store, "swm_1", random, {}));
    loop.run_until_idle();
  }
  void restart() {
    host.reset();
    store.reset();
    open();
  }
  LockRequest request(const std::string& agent, const std::string& path) {
    return {.id = "lck_" + std::to_string(next++),
            .owner = {agent},
            .key = *make_key("r", LockKind::file, path, {}),
            .ttl = 60s};
  }
};

async::Task<> into(async::Task<Result<Acquired>> task, std::optional<Result<Acquired>>& out) {
  out.emplace(co_await std::move(task));
}

async::Task<> rounds(async::Loop* loop, int count) {
  for (int i = 0; i < count; ++i) co_await loop->yield();
}

using Slot = std::optional<Result<Acquired>>;

}  // namespace

TEST_CASE_METHOD(Hosted, "a waiting caller is answered when the lock comes free, or when its time is over") {
  Slot first;
  Slot second;
  Slot third;
  async::TaskSet tasks(loop);
  tasks.spawn(into(host->acquire(request("a", "x"), 0s), first));
  loop.run_until_idle();
  REQUIRE((first && *first && (*first)->lease));
  tasks.spawn(into(host->acquire(request("b", "x"), 30s), second));
  tasks.spawn(into(host->acquire(request("c", "x"), 5s), third));
  loop.run_until_idle();
  CHECK_FALSE(second);
  advance(5s);
  REQUIRE(third);
  CHECK(third->error().code == Code::deadline_exceeded);
  const std::string id = (*first)->lease->id;
  must(loop.block_on(host->with_locks("lock.release", [id](Step& s) { return s.locks.release(id, "a", s.turn.now); })));
  loop.run_until_idle();
  REQUIRE((second && *second));
  CHECK((*second)->lease->owner.agent == "b");
}

TEST_CASE_METHOD(Hosted, "leases end by themselves, and a pause is not counted") {
  Slot first;
  Slot second;
  async::TaskSet tasks(loop);
  tasks.spawn(into(host->acquire(request("a", "x"), 0s), first));
  loop.run_until_idle();
  advance(50s);
  clock.advance(1h);  // everything stood still
  host->resumed(1h);
  loop.run_until_idle();
  tasks.spawn(into(host->acquire(request("b", "x"), 30s), second));
  loop.run_until_idle();
  CHECK_FALSE(second);
  advance(9s);
  CHECK_FALSE(second);
  advance(2s);
  REQUIRE((second && *second));
}

TEST_CASE_METHOD(Hosted, "a caller that goes away leaves the line, and gives back what it got in that moment") {
  Slot first;
  Slot third;
  async::TaskSet tasks(loop);
  tasks.spawn(into(host->acquire(request("a", "x"), 0s), first));
  loop.run_until_idle();
  {
    async::TaskSet gone(loop);
    Slot second;
    gone.spawn(into(host->acquire(request("b", "x"), 30s), second));
    loop.run_until_idle();
  }
  tasks.spawn(into(host->acquire(request("c", "x"), 30s), third));
  bool answered = false;
  {
    async::TaskSet gone(loop);
    Slot fourth;
    gone.spawn(into(host->acquire(request("d", "y"), 30s), fourth));
    loop.block_on(rounds(&loop, 2));  // the request is on its way, or answered already: then it is the caller's
    answered = fourth.has_value();
  }
  loop.run_until_idle();
  const std::string id = (*first)->lease->id;
  must(loop.block_on(host->with_locks("lock.release", [id](Step& s) { return s.locks.release(id, "a", s.turn.now); })));
  loop.run_until_idle();
  REQUIRE((third && *third));
  const auto held = must(loop.block_on(host->with_locks("lock.list", [](Step& s) -> Result<std::size_t> {
    return s.locks.leases().size() + 100 * s.locks.waiters().size();
  })));
  CHECK(held == (answered ? 2 : 1));
}

TEST_CASE_METHOD(Hosted, "what was acknowledged is there after a restart, with larger tokens after it") {
  Slot first;
  Slot again;
  {
    async::TaskSet tasks(loop);
    LockRequest wanted = request("a", "x");
    wanted.purpose = LockPurpose::edit;
    tasks.spawn(into(host->acquire(std::move(wanted), 0s), first));
    loop.run_until_idle();
  }
  const Fence fence = (*first)->lease->fence;
  restart();
  {
    async::TaskSet tasks(loop);
    tasks.spawn(into(host->acquire(request("b", "x"), 0s), again));
    loop.run_until_idle();
  }
  REQUIRE_FALSE(*again);
  const std::string id = (*first)->lease->id;
  const auto purpose = must(loop.block_on(host->with_locks(
      "test.purpose", [id](Step& step) { return Result<LockPurpose>(step.locks.leases().at(id).purpose); })));
  CHECK(purpose == LockPurpose::edit);
  Slot other;
  {
    async::TaskSet tasks(loop);
    tasks.spawn(into(host->acquire(request("b", "y"), 0s), other));
    loop.run_until_idle();
  }
  CHECK((*other)->lease->fence > fence);
  // Each grant is an event of the log, with whose it is.
  const auto events = must(loop.block_on(store->events({}, 10)));
  REQUIRE(events.size() == 2);
  CHECK((events[0].type == "lock.granted" && events[0].swarm == "swm_1" && events[0].agent == "a"));
}

TEST_CASE_METHOD(Hosted, "a refused step is undone and its reason comes back") {
  const auto refused = loop.block_on(host->in_tables("t", store::Durability::power, [](Step& s) -> Result<int> {
    const auto added = s.registry.add(s.turn, {.id = "a", .role = ""});
    if (!added) return fail(added.error());
    return fail(Code::failed_precondition, "no");
  }));
  CHECK(refused.error().message == "no");
  const auto left = must(
      loop.block_on(host->in_tables("t", store::Durability::power, [](Step& s) { return s.registry.live(s.turn); })));
  CHECK(left.empty());
}
