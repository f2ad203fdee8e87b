#include "daemon/artifacts/artifacts.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::artifacts {
namespace {

using tests::MemorySource;

// What is asked of the tables of swarms.
constexpr std::array kSwarmsAlone = {
    store::Migration{1, "swarms", R"sql(
      CREATE TABLE swarms (id TEXT PRIMARY KEY, over INTEGER NOT NULL, discarded INTEGER NOT NULL) STRICT;
      INSERT INTO swarms VALUES ('swm_1', 0, 0), ('swm_2', 0, 0);
    )sql"},
};

struct Shelf : tests::FakeTimeFixture {
  test::TemporaryDirectory dir;
  SeededRandom random{7};
  config::Config config;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Artifacts> artifacts;

  Shelf() { open(); }
  void open() {
    artifacts.reset();
    store.reset();
    const std::array domains = {store::Domain{"swarm", kSwarmsAlone}, kArtifactDomain};
    auto opened = store::Store::open(loop, {.path = dir / "db", .identity = {.program = "test"}}, domains, random);
    REQUIRE(opened);
    store = std::move(*opened);
    artifacts = std::make_unique<Artifacts>(
        Artifacts::Setup{.loop = loop, .store = *store, .random = random, .directory = shelf(), .config = config});
    REQUIRE(loop.block_on(artifacts->start()));
  }
  [[nodiscard]] std::filesystem::path shelf() const { return dir / "artifacts"; }

  Result<api::ArtifactInfo> put(const std::string& name, std::deque<std::string> chunks,
                                Place place = {"swm_1", "agent-0"}, std::optional<std::uint64_t> size = {},
                                MemorySource::End end = MemorySource::End::clean) {
    return loop.block_on(artifacts->put(std::move(place), {.name = api::Path(name), .content = 1, .size_bytes = size},
                                        [&]() -> Result<std::unique_ptr<wire::ByteSource>> {
                                          return std::make_unique<MemorySource>(loop, chunks, end);
                                        }));
  }
  /// Content, or how its stream ended.
  Result<std::string> get(const std::string& id, const std::string& swarm = "swm_1") {
    tests::Received received(loop);
    async::TaskSet sending(loop);
    const auto info = loop.block_on(artifacts->get(
        swarm, id,
        [&]() -> Result<std::unique_ptr<wire::ByteSink>> { return std::make_unique<tests::MemorySink>(received); },
        sending));
    if (!info) return fail(info.error());
    loop.block_on(sending.join());
    if (received.error) return fail(*received.error);
    CHECK(received.ended);
    return received.text;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(shelf()), std::filesystem::directory_iterator()));
  }
  void set(const char* column, const std::string& swarm) {
    const std::string sql = std::string("UPDATE swarms SET ") + column + " = 1 WHERE id = '" + swarm + "'";
    REQUIRE(loop.block_on(store->write("test", store::Durability::process, [sql](store::Changes& changes) {
      return changes.db().execute({"test", sql});
    })));
  }
};

TEST_CASE_METHOD(Shelf, "content is kept once under its hash, and comes back as it was") {
  const auto first = put("page.png", {"hello", " world"});
  REQUIRE(first);
  CHECK(first->sha256 == "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
  CHECK(first->size_bytes == 11);
  struct stat info{};
  REQUIRE(::stat((shelf() / first->sha256).c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0600U);
  CHECK(get(first->id).value_or("") == "hello world");
  CHECK(get(first->id.substr(0, 20)).value_or("") == "hello world");

  CHECK(put("page.png", {"hello world"})->id == first->id);  // the same again
  const auto other = put("copy.png", {"hello world"});
  CHECK(other->id != first->id);
  CHECK(put("page.png", {"hello world"}, {"swm_2", "agent-0"})->swarm == "swm_2");
  CHECK(files() == 1);
  CHECK(put("empty", {}, {"swm_1", "agent-0"}, 0)->size_bytes == 0);
  CHECK(artifacts->list("swm_1", {})->artifacts.size() == 3);
  CHECK(artifacts->list("swm_2", {})->artifacts.size() == 1);
  // Another swarm's is not there at all.
  CHECK(get(first->id, "swm_2").error().code == Code::not_found);

  open();  // after a restart
  CHECK(get(first->id).value_or("") == "hello world");
}

TEST_CASE_METHOD(Shelf, "names are data") {
  const std::vector<std::string> names = {
      "../../../etc/passwd",     "/etc/shadow",        "..", "a\nb", "\x1b[2J", "\xff\xfe",
      ".swarm-0123456789abcdef", std::string(255, 'x')};
  for (const std::string& name : names) {
    const auto kept = put(name, {name});
    REQUIRE(kept);
    CHECK(kept->name.bytes == name);
    CHECK(get(kept->id).value_or("") == name);
  }
  CHECK(files() == names.size());
  for (const auto& entry : std::filesystem::directory_iterator(shelf())) {
    CHECK(entry.path().filename().string().size() == 64);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), std::filesystem::directory_iterator()) >= 2);
  open();
  CHECK(files() == names.size());
}

TEST_CASE_METHOD(Shelf, "a stream that breaks, or is not what was said, leaves nothing") {
  CHECK(put("a", {"some"}, {"swm_1", "agent-0"}, {}, MemorySource::End::broken).error().code == Code::unavailable);
  CHECK(put("a", {"some"}, {"swm_1", "agent-0"}, 5).error().code == Code::invalid_argument);
  CHECK(put("a", {"some", "more"}, {"swm_1", "agent-0"}, 5).error().code == Code::invalid_argument);
  {  // dropped half-way
    async::TaskSet tasks(loop);
    struct One {
      static async::Task<> run(Shelf& self) {
        static_cast<void>(co_await self.artifacts->put({"swm_1", "agent-0"}, {.name = api::Path("a"), .content = 1},
                                                       [&self]() -> Result<std::unique_ptr<wire::ByteSource>> {
                                                         return std::make_unique<MemorySource>(
                                                             self.loop, std::deque<std::string>{"some"},
                                                             MemorySource::End::never);
                                                       }));
      }
    };
    tasks.spawn(One::run(*this));
    loop.run_until_idle();
    CHECK(files() == 1);
    tasks.cancel_all();
    loop.run_until_idle();
  }
  CHECK(files() == 0);
  CHECK(artifacts->list("swm_1", {})->artifacts.empty());
  // What a killed daemon left goes at the next start; what is not ours stays.
  std::ofstream(shelf() / ".swarm-0123456789abcdef") << "half";
  std::ofstream(shelf() / std::string(64, 'a')) << "no record";
  std::ofstream(shelf() / "README") << "somebody's";
  open();
  CHECK(files() == 1);
}

TEST_CASE_METHOD(Shelf, "what is over a limit is refused with the limit's name") {
  config.artifacts = {.max_size = {10}, .max_per_swarm = 2, .max_total = {18}};
  CHECK(put("a", {"12345678901"}).error().code == Code::resource_exhausted);
  CHECK(put("a", {"12345678901"}, {"swm_1", "agent-0"}, 11).error().message.contains("artifacts.max_size"));
  REQUIRE(put("a", {"1234567890"}, {"swm_1", "agent-0"}, 10));
  CHECK(put("b", {"123456789"}, {"swm_1", "agent-0"}, 9).error().message.contains("artifacts.max_total"));
  REQUIRE(put("b", {"12345678"}, {"swm_1", "agent-0"}, 8));
  CHECK(put("c", {}, {"swm_1", "agent-0"}, 0).error().message.contains("artifacts.max_per_swarm"));
  CHECK(put("c", {}, {"swm_2", "agent-0"}, 0));
  CHECK(files() == 3);
  // One swarm leaves room for others; what it has is counted, also where the content is there already.
  config.artifacts = {.max_size = {10}, .max_swarm_size = {18}};
  CHECK(put("c", {"1234567890"}, {"swm_1", "agent-0"}, 1).error().message.contains("artifacts.max_swarm_size"));
  CHECK(put("c", {"1234567890"}, {"swm_2", "agent-0"}, 10));
  CHECK(put("d", {"1234567890"}, {"swm_2", "agent-0"}, 10).error().message.contains("artifacts.max_swarm_size"));
}

TEST_CASE_METHOD(Shelf, "content whose record was refused goes within the hour") {
  config.artifacts.max_per_swarm = 1;
  // There is room when both begin, and no more when the second has come.
  std::vector<Result<api::ArtifactInfo>> ends;
  struct One {
    static async::Task<> run(Shelf& self, std::string text, std::vector<Result<api::ArtifactInfo>>& ends) {
      auto putting = self.artifacts->put({"swm_1", "agent-0"}, {.name = api::Path(text), .content = 1},
                                         [&self, text]() -> Result<std::unique_ptr<wire::ByteSource>> {
                                           return std::make_unique<MemorySource>(
                                               self.loop, std::deque<std::string>{text}, MemorySource::End::clean);
                                         });
      Result<api::ArtifactInfo> end = co_await std::move(putting);
      ends.push_back(std::move(end));
    }
  };
  async::TaskSet tasks(loop);
  tasks.spawn(One::run(*this, "one", ends));
  tasks.spawn(One::run(*this, "two", ends));
  loop.block_on(tasks.join());
  REQUIRE(ends.size() == 2);
  CHECK(ends[0].has_value() != ends[1].has_value());
  CHECK(files() == 2);
  advance(std::chrono::hours(2));
  CHECK(files() == 1);
  CHECK(get(artifacts->list("swm_1", {})->artifacts[0].id));
}

TEST_CASE_METHOD(Shelf, "damage is seen when it is read, and mended by the same content") {
  const auto kept = put("a", {"content"});
  REQUIRE(kept);
  std::ofstream(shelf() / kept->sha256) << "c0ntent";
  const auto damaged = get(kept->id);
  CHECK(damaged.error().message.contains("damaged"));
  CHECK(put("a", {"content"})->id == kept->id);
  CHECK(get(kept->id).value_or("") == "content");
  std::filesystem::remove(shelf() / kept->sha256);
  CHECK_FALSE(get(kept->id));
}

TEST_CASE_METHOD(Shelf, "artifacts go with their swarm, and content when nothing refers to it") {
  config.artifacts.keep = std::chrono::hours(24);
  const auto mine = put("a", {"shared"});
  REQUIRE(mine);
  const auto theirs = put("a", {"shared"}, {"swm_2", "agent-1"});
  REQUIRE(theirs);
  REQUIRE(put("b", {"own"}));
  advance(std::chrono::hours(48));
  CHECK(artifacts->list("swm_1", {})->artifacts.size() == 2);  // it is not over: all of it may be needed
  set("over", "swm_1");
  advance(std::chrono::hours(20));
  CHECK(artifacts->list("swm_1", {})->artifacts.size() == 2);  // time counts from its end
  open();
  advance(std::chrono::hours(8));
  CHECK(artifacts->list("swm_1", {})->artifacts.empty());
  CHECK(files() == 1);  // the other swarm's
  CHECK(get(theirs->id, "swm_2").value_or("") == "shared");
  set("discarded", "swm_2");
  advance(std::chrono::hours(2));
  CHECK(files() == 0);
}

TEST_CASE_METHOD(Shelf, "artifacts are listed by task and review, in pages") {
  for (int i = 0; i < 5; ++i) {
    Place place{"swm_1", "agent-0"};
    place.task = i < 3 ? "tsk_a" : "tsk_b";
    if (i == 4) place.review = "rev_1";
    REQUIRE(put("f" + std::to_string(i), {"x"}, place));
    advance(std::chrono::milliseconds(5));
  }
  const auto page = artifacts->list("swm_1", {.task = "tsk_a", .limit = 2});
  CHECK(page->artifacts.size() == 2);
  CHECK(page->artifacts[0].name.bytes == "f0");
  const auto rest = artifacts->list("swm_1", {.task = "tsk_a", .limit = 2, .cursor = page->next_cursor});
  CHECK(rest->artifacts.size() == 1);
  CHECK_FALSE(rest->next_cursor);
  CHECK(artifacts->list("swm_1", {.review = "rev_1"})->artifacts.size() == 1);
}

}  // namespace
}  // namespace swarm::artifacts
