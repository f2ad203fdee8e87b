#include "daemon/providers/local/rootfs.hpp"

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::local;

namespace {

bool has(const std::vector<std::string>& words, const std::vector<std::string>& part) {
  return !std::ranges::search(words, part).empty();
}

RootfsRequest request() {
  RootfsRequest r;
  r.root = {{RootEntry::Kind::directory, "/usr", "/usr"}, {RootEntry::Kind::symlink, "/bin", "usr/bin"}};
  r.etc_dir = "/data/etc";
  r.bundle_dir = "/data/bundle";
  r.files_dir = "/state/files";
  return r;
}

}  // namespace

TEST_CASE("every namespace is left and nothing ties the sandbox to the daemon") {
  const auto plan = plan_rootfs(request());
  REQUIRE(plan);
  for (const char* word : {"--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
                           "--as-pid-1", "--new-session", "--clearenv", "--assert-userns-disabled"})
    CHECK(has(plan->bwrap, {word}));
  for (const char* word : {"--die-with-parent", "--share-net", "--dev-bind", "--unshare-user"})
    CHECK_FALSE(has(plan->bwrap, {word}));
  CHECK(has(plan->bwrap, {"--ro-bind", "/proc/sys", "/proc/sys"}));
  CHECK(has(plan->bwrap, {"--cap-drop", "ALL"}));
  CHECK_FALSE(has(plan->bwrap, {"CAP_SYS_ADMIN"}));
}

TEST_CASE("with a range, private directories are staged") {
  const auto plan = plan_rootfs(request());
  REQUIRE(plan);
  CHECK(plan->stages == std::vector<std::string>{"/state/files", "/data/etc", "/data/bundle"});
  CHECK(has(plan->bwrap, {"--ro-bind", "/sys/1", "/etc"}));
  CHECK(has(plan->bwrap, {"--bind", "/sys/0/workspace", "/workspace"}));
  CHECK(has(plan->bwrap, {"--ro-bind", "/usr", "/usr"}));
  CHECK_FALSE(has(plan->bwrap, {"/state/files"}));
}

TEST_CASE("with one uid, bwrap makes the namespace and forbids others") {
  auto r = request();
  r.isolated = false;
  const auto plan = plan_rootfs(r);
  REQUIRE(plan);
  CHECK(has(plan->bwrap, {"--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns"}));
  CHECK_FALSE(has(plan->bwrap, {"--cap-add"}));
  r.userns = Userns::allowed;
  CHECK_FALSE(has(plan_rootfs(r)->bwrap, {"--disable-userns"}));
}

TEST_CASE("every tmpfs has a size") {
  for (const bool isolated : {true, false}) {
    auto r = request();
    r.isolated = isolated;
    r.storage = Storage::memory;
    r.storage_bytes = 800;
    const auto plan = plan_rootfs(r);
    REQUIRE(plan);
    for (std::size_t i = 0; i < plan->bwrap.size(); ++i)
      if (plan->bwrap[i] == "--tmpfs") CHECK(plan->bwrap.at(i - 2) == "--size");
    CHECK(plan->memory_bytes == (isolated ? 800 : 0));
  }
}

TEST_CASE("binds cannot cover what isolation stands on") {
  for (const char* target : {"/", "relative", "/proc", "/proc/sys", "/dev/shm", "/etc/passwd", "/sys", "/opt/swarm/bin",
                             "/opt", "/a/../etc", "/a/", "/a//b"}) {
    auto r = request();
    r.binds = {{.source = "/data", .target = target}};
    INFO(target);
    CHECK(plan_rootfs(r).error().code == Code::invalid_argument);
  }
  auto r = request();
  r.binds = {{.source = "/data/claude", .target = "/opt/tools/claude"}};
  CHECK(plan_rootfs(r));
}
