#include "daemon/providers/local/identity.hpp"

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::local;

namespace {

const std::vector<IdMapLine> kInitial = {{0, 0, 4294967295}};

HostIdentity root() { return {.uid = 0, .gid = 0, .user = "root", .uid_map = kInitial, .gid_map = kInitial}; }

HostIdentity user() {
  return {.uid = 1000,
          .gid = 1000,
          .user = "ann",
          .uid_map = kInitial,
          .gid_map = kInitial,
          .subuids = {{200'000, 65'536}},
          .subgids = {{300'000, 65'536}},
          .newuidmap = "/usr/bin/newuidmap",
          .newgidmap = "/usr/bin/newgidmap"};
}

}  // namespace

TEST_CASE("root maps an unprivileged range itself") {
  const auto plan = plan_identity(root());
  REQUIRE(plan);
  CHECK(plan->mapper == Mapper::direct);
  CHECK(plan->uids == std::vector<IdMapLine>{{0, 2'000'000'000, 65'536}});
  CHECK(plan->label() == "isolated");
}

TEST_CASE("the host's root is never mapped") {
  CHECK(plan_identity(root(), {0, 65'536}).error().code == Code::invalid_argument);
  auto user_with_root = user();
  user_with_root.subuids = {{0, 65'536}};
  const auto plan = plan_identity(user_with_root);
  REQUIRE(plan);
  CHECK(plan->mapper == Mapper::none);
}

TEST_CASE("root of a container uses what the container has") {
  auto host = root();
  host.uid_map = {{0, 1000, 1}, {1, 100'000, 65'536}};
  host.gid_map = host.uid_map;
  const auto plan = plan_identity(host);
  REQUIRE(plan);
  CHECK(plan->mapper == Mapper::direct);
  CHECK(plan->uids[0].outside == 10'000);
  CHECK(std::uint64_t{plan->uids[0].outside} + plan->uids[0].count <= 65'537);
  host.uid_map = host.gid_map = {{0, 1000, 1}};
  const auto single = plan_identity(host);
  REQUIRE(single);
  CHECK_FALSE(single->isolated());
}

TEST_CASE("an ordinary user takes a range by newuidmap, or shares one uid and is told why") {
  const auto plan = plan_identity(user());
  REQUIRE(plan);
  CHECK(plan->mapper == Mapper::newuidmap);
  CHECK(plan->gids[0].outside == 300'000);
  auto without = user();
  without.newgidmap.clear();
  CHECK(plan_identity(without)->why.find("apt-get install uidmap") != std::string::npos);
  without = user();
  without.subgids.clear();
  CHECK(plan_identity(without)->why.find("usermod --add-subuids") != std::string::npos);
  CHECK(plan_identity(without)->label() == "cooperative");
}

TEST_CASE("subordinate ids are found by name and by number") {
  const char* text = "ann:100000:65536\n# no\nbob:165536:65536\n1000:500000:10\nann:x:1\nann\n";
  CHECK(parse_subids(text, "ann", 1000) == std::vector<IdRange>{{100'000, 65'536}, {500'000, 10}});
  CHECK(parse_subids(text, "", 7).empty());
}
