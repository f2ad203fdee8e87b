// A child sends messages and takes locks, tells over a pipe what was acknowledged, and is killed at a random moment.
// Then everything acknowledged is there, once, and tokens have only grown.
//
// SWARMD_CRASH_ROUNDS (default 12) and SWARMD_CRASH_SEED repeat or lengthen a run.

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <sstream>

#include "protocol/core/unique_fd.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/unit/protocol/coord/world.hpp"

using namespace swarm;
using namespace swarm::coord;
using namespace std::chrono_literals;

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? otherwise : std::stoull(value);
}

store::Database open_at(const std::string& path) {
  store::Database db = must(store::open_or_create(path, kTestIdentity, {.access = store::Access::create}));
  const std::array domains = {store::kCoreDomain, kCoordDomain};
  must(store::migrate(db, domains, kTestIdentity));
  return db;
}

CoordOptions crash_options() {
  CoordOptions o;
  o.messages.rate = 1'000'000'000;
  o.registry.stale_after = std::chrono::hours(1000);
  return o;
}

/// A host on a file, in the child and in the check.
struct FileWorld : World {
  explicit FileWorld(const std::string& path) : World(crash_options()) {
    db = open_at(path);
    start();
  }
};

/// One write of a line is atomic on a pipe.
void say(int fd, const std::string& line) {
  if (::write(fd, line.data(), line.size()) < 0) ::_exit(3);
}

[[noreturn]] void child(const std::string& path, int fd, std::uint64_t seed, std::uint64_t round) {
  FileWorld world(path);
  SeededRandom dice(seed);
  world.random = SeededRandom(seed + 1);
  for (std::uint64_t i = 0;; ++i) {
    const std::string agent = "a" + std::to_string(dice.below(3));
    const std::string other = "a" + std::to_string(dice.below(3));
    if (dice.below(2) == 0) {
      const std::string body = std::to_string(round) + "." + std::to_string(i);
      const Sent sent = must(world.send(agent, other, body));
      say(fd, "m " + sent.id + " " + other + " " + body + "\n");
    } else if (dice.below(3) == 0) {
      const auto letters = world.take(agent, 3);
      for (const Letter& letter : letters) {
        must(world.confirm(agent, letter.message.id, Proof::Stage::seen));
        say(fd, "s " + letter.message.id + " " + agent + " x\n");
      }
    } else {
      const std::string path_in = "f" + std::to_string(dice.below(6));
      const auto got = world.lock_step([&](Step& s) {
        return s.locks.acquire({.id = s.turn.make_id("lck"),
                                .owner = {agent},
                                .key = *make_key("r", LockKind::file, path_in, {}),
                                .ttl = std::nullopt},
                               world.now);
      });
      if (got && !got->renewed) {
        say(fd, "l " + got->lease->id + " " + agent + " " + std::to_string(got->lease->fence.counter) + "\n");
      } else if (got) {
        must(world.lock_step([&](Step& s) { return s.locks.release(got->lease->id, agent, world.now); }));
        say(fd, "u " + got->lease->id + " " + agent + " x\n");
      }
    }
  }
}

/// All lines that came until the child is killed, after `patience`.
std::vector<std::string> watch(pid_t pid, int fd, std::chrono::microseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::string text;
  std::array<char, 65536> buffer{};
  bool killed = false;
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (!killed && left.count() <= 0) {
      ::kill(pid, SIGKILL);
      killed = true;
    }
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, killed ? -1 : static_cast<int>(left.count())) == 0) continue;
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::waitpid(pid, nullptr, 0);
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("what was acknowledged is there after kill -9, once, and tokens only grow") {
  const std::uint64_t rounds = number_from("SWARMD_CRASH_ROUNDS", 12);
  const std::uint64_t seed = number_from("SWARMD_CRASH_SEED", SystemRandom().next());
  std::printf("crash test of the coordination: SWARMD_CRASH_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  CAPTURE(seed);
  SeededRandom random(seed);
  const test::TemporaryDirectory dir(test::TemporaryDirectory::On::memory);
  const std::string path = dir / "db";
  {
    FileWorld world(path);
    for (const char* id : {"a0", "a1", "a2"}) world.add_agent(id);
  }
  std::map<std::string, std::string> bodies;      // acknowledged messages, by id
  std::map<std::string, std::string> recipients;  // of these
  std::set<std::string> seen;
  std::int64_t token = 0;
  std::size_t acknowledged = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    const std::uint64_t child_seed = random.next();
    const auto patience = std::chrono::microseconds(20'000 + random.below(80'000));
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) child(path, out.get(), child_seed, round);
    out.reset();
    std::map<std::string, std::string> held;
    std::set<std::string> released;
    for (const std::string& line : watch(pid, in.get(), patience)) {
      std::istringstream words(line);
      std::string what;
      std::string id;
      std::string agent;
      std::string more;
      words >> what >> id >> agent >> more;
      ++acknowledged;
      if (what == "m") {
        bodies[id] = more;
        recipients[id] = agent;
      } else if (what == "s") {
        seen.insert(id);
      } else if (what == "l") {
        REQUIRE(std::stoll(more) > token);
        token = std::stoll(more);
        held[id] = agent;
      } else {
        released.insert(id);
      }
    }
    FileWorld world(path);
    const auto leases =
        world.lock_step([](Step& s) -> Result<std::map<std::string, Lease>> { return s.locks.leases(); }).value();
    // One step may have been committed without its acknowledgement; everything else is as it was told.
    int untold = 0;
    for (const auto& [id, agent] : held) {
      if (released.contains(id)) {
        REQUIRE_FALSE(leases.contains(id));
      } else if (!leases.contains(id)) {
        ++untold;
      }
    }
    REQUIRE(untold <= 1);
    for (const auto& [id, lease] : leases) token = std::max(token, lease.fence.counter);
    for (const auto& [id, body] : bodies) {
      const Message message = must(world.step([&](Step& s) { return s.messages.find(s.turn, id); }));
      REQUIRE(message.body == body);
      const auto copies = must(world.step([&](Step& s) { return s.messages.deliveries(s.turn, message.seq); }));
      REQUIRE(copies.size() == 1);
      REQUIRE(copies[0].recipient == recipients[id]);
      if (seen.contains(id)) REQUIRE(copies[0].state == DeliveryState::seen);
    }
    // Everything is free for the next round, and what was in hand comes back.
    world
        .lock_step([&](Step& s) -> Result<int> {
          int n = 0;
          for (const char* id : {"a0", "a1", "a2"}) n += s.locks.owner_gone(id, world.now);
          return n;
        })
        .value();
  }
  std::printf("%zu acknowledgements\n", acknowledged);
  CHECK(acknowledged > rounds);
}
