// The index never overlooks a lease: whatever meets a key is found near it, for random files, directories and globs.

#include "protocol/coord/lease_index.hpp"

#include <rapidcheck/catch.h>

#include <catch2/catch.hpp>
#include <deque>

#include "protocol/coord/lock_table.hpp"
#include "protocol/core/random.hpp"

using namespace swarm;
using namespace swarm::coord;
using namespace std::chrono_literals;

namespace {

Lease lease_on(int number, LockKind kind, const std::string& path, const std::string& repository = "r") {
  Lease lease;
  lease.id = "lck_" + std::to_string(1000 + number);
  lease.owner.agent = "agent-" + std::to_string(number % 3);
  lease.key = *make_key(repository, kind, path, {});
  return lease;
}

/// Few names, so that paths meet often, and some that begin like others.
Lease random_lease(SeededRandom& random, int number) {
  static const std::array<const char*, 5> kNames = {"a", "b", "ab", "a-", "a0"};
  static const std::array<const char*, 6> kWild = {"*", "**", "?", "a*", "{a,b}", "[!a]"};
  const LockKind kind = static_cast<LockKind>(random.next() % 3);
  std::string path;
  for (std::uint64_t depth = random.next() % 3 + 1; depth > 0; --depth) {
    const bool wild = kind == LockKind::glob && random.next() % 2 == 0;
    path += (path.empty() ? "" : "/") +
            std::string(wild ? kWild[random.next() % kWild.size()] : kNames[random.next() % kNames.size()]);
  }
  if (kind == LockKind::directory && random.next() % 8 == 0) path = ".";
  Lease lease = lease_on(number, kind, path, random.next() % 8 == 0 ? "other" : "r");
  if (random.next() % 2 == 0) lease.expires = Moment{static_cast<std::int64_t>(random.next() % 100)};
  return lease;
}

std::set<std::string> ids(const LeaseSet& some) {
  std::set<std::string> out;
  for (const Lease* lease : some) out.insert(lease->id);
  return out;
}

}  // namespace

TEST_CASE("what meets a key is found near it") {
  rc::prop("random keys", [] {
    SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    LeaseIndex index;
    std::deque<Lease> leases;
    for (int i = 0; i < 14; ++i) leases.push_back(random_lease(random, i));
    std::set<std::string> there;
    for (const Lease& lease : leases) {
      index.add(lease);
      there.insert(lease.id);
    }
    for (std::size_t i = 0; i < leases.size(); i += 3) {
      index.remove(leases[i]);
      there.erase(leases[i].id);
    }
    for (const Lease& wish : leases) {
      const std::set<std::string> near = ids(index.near(wish.key, LeaseIndex::Reach::all));
      const std::set<std::string> up = ids(index.near(wish.key, LeaseIndex::Reach::up));
      const std::set<std::string> same = ids(index.with_key(wish.key));
      const std::set<std::string> theirs = ids(index.of_owner(wish.owner.agent));
      for (const Lease& other : leases) {
        const bool held = there.contains(other.id);
        if (held && other.key.overlaps(wish.key)) RC_ASSERT(near.contains(other.id));
        if (held && other.key.repository == wish.key.repository && other.key.pattern.covers(wish.key.pattern)) {
          RC_ASSERT(up.contains(other.id));
        }
        RC_ASSERT(same.contains(other.id) == (held && other.key.same(wish.key)));
        RC_ASSERT(theirs.contains(other.id) == (held && other.owner.agent == wish.owner.agent));
        RC_ASSERT((held || (!near.contains(other.id) && !up.contains(other.id))));
      }
    }
    const Moment now{static_cast<std::int64_t>(random.next() % 100)};
    std::set<std::string> over;
    for (const Lease* lease : index.over(now)) over.insert(lease->id);
    std::optional<Moment> first;
    for (const Lease& lease : leases) {
      if (!there.contains(lease.id) || !lease.expires) continue;
      RC_ASSERT(over.contains(lease.id) == (*lease.expires <= now));
      if (!first || *lease.expires < *first) first = lease.expires;
    }
    RC_ASSERT((index.first_end() == first));
  });
}

TEST_CASE("a file is looked for among few, however many leases there are") {
  LeaseIndex index;
  std::deque<Lease> leases;
  for (int i = 0; i < 1000; ++i) {
    index.add(leases.emplace_back(lease_on(i, LockKind::file, "src/" + std::to_string(i) + ".cpp")));
  }
  index.add(leases.emplace_back(lease_on(1000, LockKind::directory, "docs")));
  index.add(leases.emplace_back(lease_on(1001, LockKind::glob, "src/*.hpp")));
  const auto near = [&](LockKind kind, const char* path) {
    return index.near(*make_key("r", kind, path, {}), LeaseIndex::Reach::all).size();
  };
  CHECK(near(LockKind::file, "src/17.cpp") == 2);  // itself, and the glob that begins with src
  CHECK(near(LockKind::file, "src2/17.cpp") == 0);
  CHECK(near(LockKind::file, "docs/a/b.md") == 1);
  CHECK(near(LockKind::directory, "src/17.cpp") == 2);
  CHECK(near(LockKind::directory, "src") == 1001);
  CHECK(near(LockKind::directory, ".") == 1002);
  CHECK(index.near(*make_key("other", LockKind::directory, ".", {}), LeaseIndex::Reach::all).empty());
  for (const Lease& lease : leases) index.remove(lease);
  CHECK(near(LockKind::directory, ".") == 0);
  CHECK(index.of_owner("agent-0").empty());
}
