#include <catch2/catch.hpp>

#include "agentd/init/init.hpp"

using namespace swarm::agentd;
using namespace std::chrono_literals;

TEST_CASE("a lease runs out when nobody extends it") {
  Lease lease(8s, 100s);
  auto now = 100s + 0ms;
  int wakes = 0;
  while (!lease.expired()) {
    now += *lease.wake_in();
    lease.tick(now);
    REQUIRE(++wakes < 1000);
  }
  CHECK(now >= 108s);
  CHECK(now < 109s);
}

TEST_CASE("time in the freezer does not count") {
  Lease lease(80s, 0s);
  lease.tick(1h);
  CHECK_FALSE(lease.expired());
  lease.tick(2h);
  CHECK_FALSE(lease.expired());
}

TEST_CASE("a lease is replaced, and none never ends") {
  Lease lease(1s, 0s);
  lease.set(1min, 900ms);
  lease.tick(2s);
  CHECK_FALSE(lease.expired());
  Lease endless(std::nullopt, 0s);
  endless.tick(1000h);
  CHECK_FALSE(endless.expired());
  CHECK_FALSE(endless.wake_in());
}

TEST_CASE("agentd that dies young waits longer each time") {
  Backoff backoff;
  CHECK(backoff.next(0s) == 100ms);
  CHECK(backoff.next(0s) == 200ms);
  for (int i = 0; i < 20; ++i) (void)backoff.next(0s);
  CHECK(backoff.next(0s) == 10s);
  CHECK(backoff.next(1min) == 100ms);
}

TEST_CASE("options of init are checked") {
  std::string error;
  const auto options =
      parse_init_options({"--lease-ms", "500", "--log", "/l", "--ready-fd", "9", "--", "/bin/true", "-x"}, error);
  CHECK(error.empty());
  CHECK(options.lease == 500ms);
  CHECK(options.ready_fd == 9);
  CHECK(options.argv == std::vector<std::string>{"/bin/true", "-x"});
  for (const std::vector<std::string>& bad : {std::vector<std::string>{},
                                              {"--", "relative"},
                                              {"--lease-ms", "x", "--", "/a"},
                                              {"--lease-ms"},
                                              {"--what", "1", "--", "/a"}}) {
    (void)parse_init_options(bad, error);
    CHECK_FALSE(error.empty());
  }
}
