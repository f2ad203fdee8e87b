#include "protocol/coord/lock_table.hpp"

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::coord;
using namespace std::chrono_literals;

namespace {

LockKey key(const std::string& path, LockKind kind = LockKind::file) { return *make_key("repo", kind, path, {}); }

struct Table {
  LockTable locks{Fence{.epoch = 1, .counter = 0}};
  Moment now{1'000'000};
  int next = 0;

  LockRequest request(const std::string& agent, const std::string& path, LockMode mode = LockMode::exclusive) {
    return {.id = "lck_" + std::to_string(next++),
            .owner = {.agent = agent},
            .key = key(path),
            .mode = mode,
            .reason = "work on " + path,
            .ttl = 60s,
            .wait_until = std::nullopt};
  }
  Result<Acquired> take(const std::string& agent, const std::string& path, LockMode mode = LockMode::exclusive) {
    return locks.acquire(request(agent, path, mode), now);
  }
  Result<Acquired> wait(const std::string& agent, const std::string& path, Span patience = 30s,
                        LockMode mode = LockMode::exclusive) {
    LockRequest r = request(agent, path, mode);
    r.wait_until = now + patience;
    return locks.acquire(std::move(r), now);
  }
  /// Who was granted a lock since the last look, in order.
  std::vector<std::string> granted() {
    std::vector<std::string> out;
    for (const LockNotice& n : locks.take_notices()) {
      if (n.kind == LockNotice::Kind::granted) out.push_back(n.lease.owner.agent);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("a lock is taken, refused to others with holder, time and reason, renewed and released") {
  Table t;
  const auto first = t.take("agent-1", "src/a.c");
  REQUIRE(first);
  CHECK(first->lease->fence == Fence{1, 1});
  t.now = t.now + 10s;
  const auto refused = t.take("agent-2", "src/a.c");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::failed_precondition);
  CHECK(refused.error().retryable);
  CHECK(refused.error().message.starts_with(
      "repo:src/a.c is locked by agent-1 (exclusive, for another 50s: work on src/a.c)"));
  const auto again = t.take("agent-1", "src/a.c");
  REQUIRE(again);
  CHECK(again->renewed);
  CHECK(again->lease->id == first->lease->id);
  CHECK(*again->lease->expires == t.now + 60s);
  CHECK(t.locks.release(first->lease->id, "agent-2", t.now).error().code == Code::permission_denied);
  CHECK(t.locks.release_key(key("src/a.c"), "agent-2", t.now).error().code == Code::permission_denied);
  CHECK(*t.locks.release(first->lease->id, "agent-1", t.now));
  CHECK_FALSE(*t.locks.release(first->lease->id, "agent-1", t.now));
  CHECK(*t.locks.release_key(key("src/free.c"), "agent-1", t.now) == 0);
  REQUIRE(t.take("agent-2", "src/a.c"));
}

TEST_CASE("a lock that an edit needs is the edit's, whatever words are its reason") {
  Table t;
  const auto edit = [&t](const std::string& path) {
    LockRequest request = t.request("agent-1", path);
    request.purpose = LockPurpose::edit;
    return t.locks.acquire(std::move(request), t.now);
  };
  const auto asked = t.take("agent-1", "asked.c");
  REQUIRE(asked);
  CHECK(asked->lease->purpose == LockPurpose::asked);
  CHECK(edit("asked.c")->lease->purpose == LockPurpose::edit);
  const auto taken = edit("edited.c");
  REQUIRE(taken);
  CHECK(taken->lease->purpose == LockPurpose::edit);
  const auto again = t.take("agent-1", "edited.c");
  CHECK((again->renewed && again->lease->purpose == LockPurpose::edit && again->lease->id == taken->lease->id));
}

TEST_CASE("an agent never conflicts with itself, and globs conflict in both directions") {
  Table t;
  REQUIRE(t.take("agent-1", "src/a.c"));
  LockRequest r = t.request("agent-1", "src");
  r.key = key("src/**/*.c", LockKind::glob);
  REQUIRE(t.locks.acquire(r, t.now));
  CHECK_FALSE(t.take("agent-2", "src/b/x.c"));
  REQUIRE(t.take("agent-2", "src/b/x.h"));
  r = t.request("agent-3", "src");
  r.key = key("src", LockKind::directory);
  CHECK_FALSE(t.locks.acquire(r, t.now));
}

TEST_CASE("readers share, a writer waits for all, and readers behind it wait for the writer") {
  Table t;
  REQUIRE(t.take("agent-1", "a", LockMode::shared));
  REQUIRE(t.take("agent-2", "a", LockMode::shared));
  const auto writer = t.wait("agent-3", "a");
  REQUIRE((writer && !writer->lease));
  const auto reader = t.wait("agent-4", "a", 30s, LockMode::shared);
  REQUIRE((reader && !reader->lease));
  CHECK(t.take("agent-5", "a", LockMode::shared).error().message.starts_with("repo:a is wanted by agent-3"));
  t.granted();
  t.locks.release_key(key("a"), "agent-1", t.now).value();
  CHECK(t.granted().empty());
  t.locks.release_key(key("a"), "agent-2", t.now).value();
  CHECK(t.granted() == std::vector<std::string>{"agent-3"});
  t.locks.release_key(key("a"), "agent-3", t.now).value();
  CHECK(t.granted() == std::vector<std::string>{"agent-4"});
}

TEST_CASE("the line is first come, first served, with deadlines") {
  Table t;
  REQUIRE(t.take("agent-0", "a"));
  REQUIRE(t.wait("agent-1", "a", 5s));
  REQUIRE(t.wait("agent-2", "a", 30s));
  REQUIRE(t.wait("agent-3", "b", 30s)->lease);
  t.granted();
  CHECK(*t.locks.next_deadline() == t.now + 5s);
  t.now = t.now + 5s;
  t.locks.advance(t.now);
  const auto notices = t.locks.take_notices();
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].kind == LockNotice::Kind::dropped);
  CHECK(notices[0].end == LockEnd::timed_out);
  CHECK(notices[0].error.code == Code::deadline_exceeded);
  CHECK(notices[0].error.message.find("locked by agent-0") != std::string::npos);
  t.now = t.now + 20s;
  REQUIRE(t.locks.release_key(key("a"), "agent-0", t.now));
  CHECK(t.granted() == std::vector<std::string>{"agent-2"});
}

TEST_CASE("a lease runs out, is extended, or holds until it is released") {
  Table t;
  const std::string a = t.take("agent-1", "a")->lease->id;
  LockRequest forever = t.request("agent-1", "b");
  forever.ttl.reset();
  REQUIRE(t.locks.acquire(forever, t.now));
  t.now = t.now + 59s;
  REQUIRE(t.locks.renew(a, "agent-1", 30s, t.now));
  CHECK(t.locks.renew(a, "agent-2", 30s, t.now).error().code == Code::permission_denied);
  t.now = t.now + 29s;
  CHECK_FALSE(t.take("agent-2", "a"));
  t.now = t.now + 1s;
  REQUIRE(t.take("agent-2", "a"));
  CHECK(t.locks.renew(a, "agent-1", 30s, t.now).error().code == Code::not_found);
  t.now = t.now + 10h;
  CHECK_FALSE(t.take("agent-2", "b"));
}

TEST_CASE("what an agent holds goes with it, and what it waited for") {
  Table t;
  REQUIRE(t.take("agent-1", "a"));
  REQUIRE(t.take("agent-2", "b"));
  REQUIRE(t.wait("agent-1", "b"));
  REQUIRE(t.wait("agent-3", "a"));
  t.granted();
  CHECK(t.locks.owner_gone("agent-1", t.now) == 1);
  CHECK(t.granted() == std::vector<std::string>{"agent-3"});
  CHECK(t.locks.waiters().empty());
}

TEST_CASE("a person breaks a lock, and that is told") {
  Table t;
  const std::string id = t.take("agent-1", "a")->lease->id;
  REQUIRE(t.wait("agent-2", "a"));
  t.granted();
  REQUIRE(t.locks.break_lease(id, "uid 1000", "stuck", t.now));
  const auto notices = t.locks.take_notices();
  REQUIRE(notices.size() == 2);
  CHECK((notices[0].end == LockEnd::broken && notices[0].by == "uid 1000" && notices[0].note == "stuck"));
  CHECK(notices[1].lease.owner.agent == "agent-2");
  CHECK(notices[1].lease.fence > notices[0].lease.fence);
  CHECK(t.locks.break_lease(id, "uid 1000", "", t.now).error().code == Code::not_found);
}

TEST_CASE("a deadlock is refused when it would be formed, with its circle") {
  Table t;
  REQUIRE(t.take("agent-1", "a"));
  REQUIRE(t.take("agent-2", "b"));
  REQUIRE(t.take("agent-3", "c"));
  REQUIRE(t.wait("agent-1", "b"));
  REQUIRE(t.wait("agent-2", "c"));
  t.locks.take_notices();
  const auto closing = t.wait("agent-3", "a");
  REQUIRE_FALSE(closing);
  CHECK(closing.error().message.starts_with(
      "deadlock: agent-3 waits for repo:a (agent-1 is in the way), agent-1 waits for repo:b (agent-2 is in the way), "
      "agent-2 waits for repo:c (agent-3 is in the way)"));
  CHECK(t.locks.take_notices().at(0).kind == LockNotice::Kind::deadlock);
  REQUIRE(t.locks.release_key(key("c"), "agent-3", t.now));
  CHECK(t.granted() == std::vector<std::string>{"agent-2"});
}

TEST_CASE("two readers that both want to write are a deadlock; one alone is raised") {
  Table t;
  REQUIRE(t.take("agent-1", "a", LockMode::shared));
  REQUIRE(t.take("agent-2", "a", LockMode::shared));
  REQUIRE(t.wait("agent-1", "a"));
  CHECK_FALSE(t.wait("agent-2", "a"));
  t.granted();
  REQUIRE(t.locks.release_key(key("a"), "agent-2", t.now));
  CHECK(t.granted() == std::vector<std::string>{"agent-1"});
  REQUIRE(t.locks.leases().size() == 1);
  CHECK(t.locks.leases().begin()->second.mode == LockMode::exclusive);
}

TEST_CASE("a weaker request that comes through the line takes nothing of what was granted before it") {
  Table t;
  REQUIRE(t.take("agent-1", "a"));
  REQUIRE(t.wait("agent-2", "a"));
  REQUIRE(t.wait("agent-3", "a", 30s, LockMode::shared));
  REQUIRE(t.wait("agent-2", "a", 30s, LockMode::shared));
  t.granted();
  REQUIRE(t.locks.release_key(key("a"), "agent-1", t.now));
  CHECK(t.granted() == std::vector<std::string>{"agent-2", "agent-2"});
  CHECK(t.locks.conflicts(key("a"), LockMode::shared, "agent-3").size() == 1);
  CHECK(t.locks.waiters().size() == 1);
  // What is asked for again is the stronger one.
  const auto again = t.take("agent-2", "a");
  REQUIRE(again);
  CHECK(again->renewed);
  REQUIRE(t.locks.release_key(key("a"), "agent-2", t.now));
  CHECK(t.granted() == std::vector<std::string>{"agent-3"});
}

TEST_CASE("inside what it holds an agent passes the line") {
  Table t;
  LockRequest r = t.request("agent-1", "src");
  r.key = key("src", LockKind::directory);
  REQUIRE(t.locks.acquire(r, t.now));
  REQUIRE(t.wait("agent-2", "src/a"));
  const auto inside = t.wait("agent-1", "src/a");
  REQUIRE(inside);
  CHECK(inside->lease);
}

TEST_CASE("tokens go on growing under a new authority") {
  Table t;
  REQUIRE(t.take("agent-1", "a"));
  CHECK_FALSE(t.locks.begin_epoch(1));
  REQUIRE(t.locks.begin_epoch(2));
  CHECK(t.take("agent-1", "b")->lease->fence == Fence{2, 2});
}
