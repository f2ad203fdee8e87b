#include "agentd/files/watch.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/unit/protocol/tree/trees.hpp"

using namespace swarm;
using namespace swarm::agentd::files;
using api::FileChange;
using api::FileChangeKind;
using swarm::test::TemporaryDirectory;
using tests::spill;
namespace fs = std::filesystem;

namespace {

Result<void> directly(const std::function<Result<void>()>& work) { return work(); }

struct WatchFixture : tests::LoopFixture {
  TemporaryDirectory at;
  std::unique_ptr<Watch> watch;

  Result<void> start(bool recursive = true, WatchLimits limits = {}, std::string below = "") {
    auto opened = loop.block_on(Watch::open(loop, at.path() + below, recursive, limits, directly));
    if (!opened) return fail(opened.error());
    watch = std::move(*opened);
    return {};
  }

  WatchBatch next() {
    return loop.block_on([](Watch& w) -> async::Task<WatchBatch> { co_return co_await w.next(); }(*watch));
  }

  /// "created a/b", relative and in order, until one of them is `last`.
  std::vector<std::string> until(const std::string& last) {
    std::vector<std::string> out;
    for (int round = 0; round < 100; ++round) {
      const WatchBatch batch = next();
      REQUIRE_FALSE(batch.overflow);
      REQUIRE_FALSE(batch.ended);
      for (const FileChange& change : batch.changes) out.push_back(line(change));
      if (std::ranges::find(out, last) != out.end()) return out;
    }
    FAIL("never saw " << last);
    return out;
  }

  std::string line(const FileChange& change) const {
    static const std::map<FileChangeKind, std::string> kinds = {{FileChangeKind::created, "created"},
                                                                {FileChangeKind::modified, "modified"},
                                                                {FileChangeKind::attributes, "attributes"},
                                                                {FileChangeKind::removed, "removed"},
                                                                {FileChangeKind::renamed, "renamed"}};
    std::string out = kinds.at(change.kind) + " " + change.path.bytes.substr(at.path().size() + 1);
    if (change.from) out += " from " + change.from->bytes.substr(at.path().size() + 1);
    return out;
  }
};

std::size_t count(const std::vector<std::string>& lines, const std::string& line) {
  return static_cast<std::size_t>(std::ranges::count(lines, line));
}

}  // namespace

TEST_CASE_METHOD(WatchFixture, "changes are told with their paths, in order") {
  fs::create_directories(at / "a/b");
  REQUIRE(start());
  spill(at / "a/b/f", "x");
  ::chmod((at / "a/b/f").c_str(), 0600);
  fs::rename(at / "a/b/f", at / "a/g");
  fs::remove(at / "a/g");
  const auto lines = until("removed a/g");
  CHECK(lines == std::vector<std::string>{"created a/b/f", "modified a/b/f", "attributes a/b/f",
                                          "renamed a/g from a/b/f", "removed a/g"});
}

TEST_CASE_METHOD(WatchFixture, "nothing in a new directory is missed or told twice") {
  REQUIRE(start());
  for (int i = 0; i < 50; ++i) {
    const std::string dir = "n" + std::to_string(i);
    fs::create_directories(at / (dir + "/x/y"));
    spill(at / (dir + "/x/y/f"), "");
  }
  spill(at / "end", "");
  auto lines = until("created end");
  for (int i = 0; i < 50; ++i) {
    const std::string dir = "created n" + std::to_string(i);
    CHECK(count(lines, dir) == 1);
    CHECK(count(lines, dir + "/x") == 1);
    CHECK(count(lines, dir + "/x/y") == 1);
    CHECK(count(lines, dir + "/x/y/f") == 1);
  }
  spill(at / "n7/x/y/later", "");
  lines = until("created n7/x/y/later");
}

TEST_CASE_METHOD(WatchFixture, "a moved directory is watched under its new name, a lost one no longer") {
  const TemporaryDirectory outside;
  fs::create_directories(at / "a/b");
  REQUIRE(start());
  fs::rename(at / "a", at / "c");
  spill(at / "c/b/f", "");
  auto lines = until("created c/b/f");
  CHECK(lines.front() == "renamed c from a");
  fs::rename(at / "c", outside / "c");
  lines = until("removed c");
  spill(outside / "c/b/unseen", "");
  fs::create_directories(outside / "d/e");
  spill(outside / "d/e/f", "");
  fs::rename(outside / "d", at / "d");
  lines = until("created d/e/f");
  CHECK(count(lines, "created d") == 1);
  CHECK(std::ranges::none_of(lines, [](const std::string& l) { return l.find("unseen") != std::string::npos; }));
  spill(at / "d/e/g", "");
  until("created d/e/g");
}

TEST_CASE_METHOD(WatchFixture, "without recursion only the directory itself counts; a file survives its replacement") {
  fs::create_directory(at / "sub");
  REQUIRE(start(false));
  spill(at / "sub/f", "");
  spill(at / "f", "");
  CHECK(until("created f") == std::vector<std::string>{"created f"});

  REQUIRE(start(false, {}, "/f"));
  spill(at / "other", "");
  spill(at / "tmp", "new");
  fs::rename(at / "tmp", at / "f");
  CHECK(until("created f") == std::vector<std::string>{"created f"});
  std::ofstream(at / "f", std::ios::app) << "more";
  CHECK(until("modified f") == std::vector<std::string>{"modified f"});
}

TEST_CASE_METHOD(WatchFixture, "the end of what is watched ends the watch and says so") {
  fs::create_directory(at / "w");
  REQUIRE(start(true, {}, "/w"));
  fs::remove(at / "w");
  const WatchBatch batch = next();
  REQUIRE(batch.ended);
  CHECK(batch.ended->find("removed") != std::string::npos);
  CHECK(start(true, {}, "/missing").error().code == Code::not_found);
}

TEST_CASE_METHOD(WatchFixture, "too many directories are refused, at the start and later") {
  for (int i = 0; i < 20; ++i) fs::create_directory(at / std::to_string(i));
  CHECK(start(true, {.max_directories = 10}).error().code == Code::resource_exhausted);
  REQUIRE(start(true, {.max_directories = 30}));
  for (int i = 20; i < 40; ++i) fs::create_directory(at / std::to_string(i));
  WatchBatch batch = next();
  while (!batch.ended) batch = next();
  CHECK(batch.ended->find("30") != std::string::npos);
}

TEST_CASE_METHOD(WatchFixture, "a storm of 100,000 changes is an overflow, not a lie, and the watch goes on") {
  fs::create_directory(at / "before");
  REQUIRE(start());
  // Two files by turns, because the kernel folds equal neighbours into one.
  const UniqueFd one(::open((at / "one").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  const UniqueFd other(::open((at / "other").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  for (int i = 0; i < 50'000; ++i) {
    REQUIRE(::pwrite(one.get(), "x", 1, 0) == 1);
    REQUIRE(::pwrite(other.get(), "x", 1, 0) == 1);
  }
  fs::remove(at / "before");
  fs::create_directories(at / "after/deep");
  CHECK(next().overflow);
  spill(at / "after/deep/f", "");
  until("created after/deep/f");
}

TEST_CASE_METHOD(WatchFixture, "more changes than a batch holds are an overflow") {
  REQUIRE(start(true, {.max_changes = 10}));
  for (int i = 0; i < 11; ++i) spill(at / std::to_string(i), "");
  const WatchBatch batch = next();
  CHECK(batch.overflow);
  CHECK(batch.changes.empty());
}

TEST_CASE_METHOD(WatchFixture, "a watch that is dropped while it waits leaves nothing") {
  REQUIRE(start());
  {
    async::TaskSet tasks(loop);
    tasks.spawn([](Watch& w) -> async::Task<> { co_await w.next(); }(*watch));
    spill(at / "f", "");
    loop.run_until_idle();
  }
  watch.reset();
  loop.run_until_idle();
}
