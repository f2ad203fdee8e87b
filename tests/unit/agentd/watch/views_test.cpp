#include "agentd/watch/views.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/fixtures/temporary_directory.hpp"
#include "tests/unit/protocol/coord/world.hpp"

using namespace swarm;
using namespace swarm::agentd;

namespace {

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

struct Workspace {
  test::TemporaryDirectory dir;
  std::filesystem::path root = dir / "workspace";
  std::filesystem::path victim = dir / "victim";
  ViewFiles files{.active_agents = "{}\n", .locks = {{"a.lck_1.lock", "one"}}, .fresh = {}, .log = "first\n"};
  Workspace() {
    std::filesystem::create_directories(root);
    put(victim, "precious");
  }
  void write() {
    const Result<void> written = write_views(root, files);
    INFO((written ? "" : written.error().message));
    REQUIRE(written);
  }
};

}  // namespace

TEST_CASE("views are whole files, made anew where they are missing; locks that ended go") {
  Workspace w;
  w.write();
  CHECK(content(w.root / "ACTIVE_AGENTS.json") == "{}\n");
  CHECK(content(w.root / ".agent_locks/a.lck_1.lock") == "one");
  struct stat info{};
  REQUIRE(stat((w.root / "ACTIVE_AGENTS.json").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0444);
  w.files.log = "second\n";
  w.files.locks = {{"b.lck_2.lock", "two"}};
  w.write();
  CHECK(content(w.root / "agent_messages.log") == "first\nsecond\n");
  CHECK_FALSE(std::filesystem::exists(w.root / ".agent_locks/a.lck_1.lock"));
  std::filesystem::remove(w.root / ".agent_locks/b.lck_2.lock");
  w.write();
  CHECK(content(w.root / ".agent_locks/b.lck_2.lock") == "two");
  w.files.locks = {{"b.lck_2.lock", "renewed"}};
  w.files.fresh = {"b.lck_2.lock"};
  w.write();
  CHECK(content(w.root / ".agent_locks/b.lck_2.lock") == "renewed");
}

TEST_CASE("the log is rotated") {
  Workspace w;
  w.files.log = std::string((10U << 20U) + 1, 'x');
  w.write();
  w.files.log = "behind\n";
  w.write();
  CHECK(content(w.root / "agent_messages.log") == "behind\n");
  CHECK(std::filesystem::file_size(w.root / "agent_messages.log.1") == (10U << 20U) + 1);
}

TEST_CASE("links, pipes and directories that agents put in the way lead nowhere") {
  Workspace w;
  std::filesystem::create_symlink(w.victim, w.root / "ACTIVE_AGENTS.json");
  std::filesystem::create_symlink(w.victim, w.root / "agent_messages.log");
  std::filesystem::create_symlink(w.dir / "elsewhere", w.root / ".agent_locks");
  std::filesystem::create_directories(w.dir / "elsewhere");
  put(w.dir / "elsewhere/other.lock", "not ours");
  w.write();
  CHECK(content(w.victim) == "precious");
  CHECK(content(w.dir / "elsewhere/other.lock") == "not ours");
  CHECK_FALSE(std::filesystem::exists(w.dir / "elsewhere/a.lck_1.lock"));
  CHECK(content(w.root / ".agent_locks/a.lck_1.lock") == "one");
  CHECK(content(w.root / "agent_messages.log") == "first\n");

  // A second name of somebody else's file, a link among the locks, a pipe that nobody reads.
  std::filesystem::remove(w.root / "agent_messages.log");
  std::filesystem::create_hard_link(w.victim, w.root / "agent_messages.log");
  std::filesystem::remove(w.root / ".agent_locks/a.lck_1.lock");
  std::filesystem::create_symlink(w.victim, w.root / ".agent_locks/a.lck_1.lock");
  w.write();
  CHECK(content(w.victim) == "precious");
  CHECK(content(w.root / ".agent_locks/a.lck_1.lock") == "one");
  std::filesystem::remove(w.root / "agent_messages.log");
  REQUIRE(mkfifo((w.root / "agent_messages.log").c_str(), 0666) == 0);
  w.write();
  CHECK(content(w.root / "agent_messages.log") == "first\n");
}

namespace {

using coord::must;
using coord::Step;
using namespace std::chrono_literals;

/// A swarm with locks, and what the files say of it.
struct Saying {
  coord::World world;
  Shown shown;
  std::size_t looked = 0;

  Saying() {
    world.add_agent("agent-0");
    world.add_agent("agent-1");
  }
  void lock(const std::string& id, const std::string& agent, const std::string& path) {
    must(world.lock_step([&](Step& step) {
      return step.locks.acquire({.id = id,
                                 .owner = {agent},
                                 .key = *make_key("", coord::LockKind::file, path, {}),
                                 .reason = {},
                                 .ttl = 60s,
                                 .wait_until = {}},
                                step.turn.now);
    }));
  }
  void look(const std::set<std::string>& touched, Among among) {
    const ViewNews news = must(world.lock_step([&](Step& step) { return view_news(step, shown, touched, among); }));
    looked = news.locks.size() + news.ended.size();
    shown.files.fresh.clear();
    say(shown, news);
  }
};

}  // namespace

TEST_CASE("what changed is looked at, and all of it is said") {
  Saying s;
  for (int i = 0; i < 20; ++i) s.lock("lck_" + std::to_string(i), "agent-0", "a/" + std::to_string(i));
  s.look({}, Among::all);
  CHECK(s.looked == 20);
  CHECK(s.shown.files.locks.size() == 20);
  CHECK(s.shown.files.active_agents.find("a/19") != std::string::npos);

  s.lock("lck_x", "agent-1", "b");
  must(s.world.lock_step([](Step& step) { return step.locks.release("lck_3", "agent-0", step.turn.now); }));
  s.look({"lck_x", "lck_3", "lck_never_seen"}, Among::touched);
  CHECK(s.looked == 3);
  CHECK(s.shown.files.fresh == std::set<std::string>{"b.lck_x.lock"});
  CHECK(s.shown.files.locks.size() == 20);
  CHECK_FALSE(s.shown.files.locks.contains("a%2F3.lck_3.lock"));
  CHECK(s.shown.files.active_agents.find("\"b\"") != std::string::npos);
  CHECK(s.shown.files.active_agents.find("a/3\"") == std::string::npos);

  // Renewals are not told; a look at everything finds them, and what was missed.
  must(s.world.lock_step([](Step& step) { return step.locks.renew("lck_7", "agent-0", 3600s, step.turn.now); }));
  must(s.world.lock_step([](Step& step) { return step.locks.release("lck_8", "agent-0", step.turn.now); }));
  s.look({}, Among::all);
  CHECK(s.looked == 2);
  CHECK(s.shown.files.fresh == std::set<std::string>{"a%2F7.lck_7.lock"});
  s.look({}, Among::all);
  CHECK(s.looked == 0);
}
