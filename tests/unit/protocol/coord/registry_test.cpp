#include "protocol/coord/views.hpp"
#include "tests/unit/protocol/coord/world.hpp"

using namespace swarm;
using namespace swarm::coord;
using namespace std::chrono_literals;

TEST_CASE("an agent is who its uid says, and two cannot have one") {
  World w;
  w.add_agent("agent-0", "lead", 2001);
  w.add_agent("agent-1", "review", 2002);
  CHECK(must(w.step([](Step& s) { return s.registry.by_uid(s.turn, 2002); })).id == "agent-1");
  CHECK(w.step([](Step& s) { return s.registry.by_uid(s.turn, 99); }).error().code == Code::not_found);
  const auto twice = w.step([](Step& s) { return s.registry.add(s.turn, {.id = "agent-2", .uid = 2002, .role = ""}); });
  CHECK(twice.error().code == Code::already_exists);
  CHECK_FALSE(w.step([](Step& s) { return s.registry.add(s.turn, {.id = "swarm", .role = ""}); }));
  // Where there is one uid only, that is said, and nobody is guessed.
  for (const char* id : {"a", "b"}) {
    must(w.step([&](Step& s) { return s.registry.add(s.turn, {.id = id, .uid = 1000, .role = "", .proven = false}); }));
  }
  CHECK(w.step([](Step& s) { return s.registry.by_uid(s.turn, 1000); }).error().code == Code::failed_precondition);
}

TEST_CASE("who is silent becomes stale, and comes back with a sign of life") {
  World w;
  w.add_agent("agent-0");
  w.add_agent("agent-1");
  w.now = w.now + 40s;
  w.alive("agent-1");
  w.advance(20s);
  CHECK(w.happened("agent.state") == std::vector<std::string>{"agent-0"});
  CHECK(must(w.step([](Step& s) { return s.registry.live(s.turn); })) == std::vector<std::string>{"agent-1"});
  w.advance(0s);
  CHECK(w.happened("agent.state").empty());
  must(w.step([](Step& s) { return s.registry.update(s.turn, "agent-0", {}, "parser", {}); }));
  const AgentRecord back = must(w.step([](Step& s) { return s.registry.find(s.turn, "agent-0"); }));
  CHECK((back.state == AgentState::idle && back.task == "parser"));
  must(w.step([](Step& s) { return s.registry.gone(s.turn, "agent-0", "exit 0"); }));
  CHECK(w.step([](Step& s) { return s.registry.update(s.turn, "agent-0", {}, {}, {}); }).error().code ==
        Code::failed_precondition);
  w.add_agent("agent-0");
  CHECK(must(w.step([](Step& s) { return s.registry.live(s.turn); })).size() == 2);
}

TEST_CASE("agents are found by skill, without case, best and freest first") {
  World w;
  const auto card = [&](const std::string& id, AgentCard c) {
    w.add_agent(id);
    return w.step([&](Step& s) { return s.registry.set_card(s.turn, id, c); });
  };
  must(card("a", {.skills = {{"Rust", 0.9}, {"SQL"}}, .tools = {"cargo"}, .availability = 0.5, .about = ""}));
  must(card("b", {.skills = {{"rust"}}, .tools = {}, .availability = 1, .about = ""}));
  must(card("c", {.skills = {{"rust", 1}}, .tools = {"cargo"}, .availability = 0, .about = ""}));
  CHECK_FALSE(card("d", {.skills = {{"rust", 1.5}}, .tools = {}, .availability = 1, .about = ""}));
  CHECK_FALSE(card("d", {.skills = {}, .tools = {}, .availability = -1, .about = ""}));
  const auto find = [&](std::vector<std::string> skills, std::vector<std::string> tools,
                        std::vector<std::string> except) {
    std::vector<std::string> out;
    for (const Candidate& c :
         must(w.step([&](Step& s) { return s.registry.with_skills(s.turn, skills, tools, except); }))) {
      out.push_back(c.agent);
    }
    return out;
  };
  CHECK(find({"RUST"}, {}, {}) == std::vector<std::string>{"b", "a"});
  CHECK(find({"rust"}, {"cargo"}, {}) == std::vector<std::string>{"a"});
  CHECK(find({"rust", "sql"}, {}, {}) == std::vector<std::string>{"a"});
  CHECK(find({"rust"}, {}, {"b"}) == std::vector<std::string>{"a"});
  CHECK(find({"cobol"}, {}, {}).empty());
}

TEST_CASE("notes change by revision, and what changed can be followed") {
  World w;
  const auto put = [&](const std::string& key, std::optional<std::string> value,
                       std::optional<std::int64_t> expected = {}) {
    return w.step([&](Step& s) { return s.notes.put(s.turn, {.name = "agent-1"}, key, value, expected); });
  };
  CHECK(must(put("plan/a", "1", 0)).revision == 1);
  CHECK(put("plan/a", "2", 0).error().message ==
        "'plan/a' is at revision 1, by agent-1; expected was 0: read it again");
  CHECK(must(put("plan/a", "2", 1)).revision == 2);
  CHECK(must(put("other", "x")).revision == 3);
  CHECK(must(put("plan/a", {}, 2)).revision == 4);
  CHECK(put("plan/a", {}).error().code == Code::not_found);
  CHECK(put("plan/a", "3", 2).error().code == Code::failed_precondition);
  CHECK(w.step([](Step& s) { return s.notes.get(s.turn, "plan/a"); }).error().code == Code::not_found);
  const auto changes = must(w.step([](Step& s) { return s.notes.since(s.turn, 1, "plan/", 10); }));
  REQUIRE(changes.size() == 1);
  CHECK((changes[0].revision == 4 && !changes[0].value));
  CHECK(must(w.step([](Step& s) { return s.notes.list(s.turn, "", 10); })).size() == 1);
  CHECK_FALSE(put("", "x"));
  CHECK_FALSE(put("a\nb", "x"));
  CHECK_FALSE(put("big", std::string(65'537, 'x')));
  // A refused change is undone, revision and all.
  CHECK(must(put("next", "x")).revision == 5);
}

TEST_CASE("decisions are searched by words and linked both ways") {
  World w;
  const auto record = [&](Decision d) {
    return w.step([&](Step& s) { return s.notes.record(s.turn, {.name = "agent-1"}, std::move(d)); });
  };
  const Decision first = must(record({.title = "Use SQLite", .body = "one file, WAL", .files = {"src/./db.c"}}));
  CHECK(first.files == std::vector<std::string>{"src/db.c"});
  const Decision second =
      must(record({.kind = DecisionKind::learning, .title = "fsync", .body = "costs 0.2 ms", .links = {first.id}}));
  CHECK(must(w.step([&](Step& s) { return s.notes.decision(s.turn, first.id); })).links ==
        std::vector<std::string>{second.id});
  const auto search = [&](const std::string& text, std::optional<DecisionKind> kind = {}) {
    return must(w.step([&](Step& s) { return s.notes.search(s.turn, text, kind, {}, 10); })).size();
  };
  CHECK(search("sqlite wal") == 1);
  CHECK(search("") == 2);
  CHECK(search("", DecisionKind::learning) == 1);
  CHECK(search("postgres") == 0);
  CHECK_FALSE(record({.title = " "}));
  CHECK_FALSE(record({.title = "x", .files = {"/etc/passwd"}}));
  CHECK_FALSE(record({.title = "x", .files = {"../x"}}));
  CHECK_FALSE(record({.title = "x", .links = {"dec_nope"}}));
  CHECK(w.step([&](Step& s) { return s.notes.link(s.turn, first.id, first.id); }).error().code ==
        Code::invalid_argument);
  CHECK(search("") == 2);
}

TEST_CASE("recorded locks survive the host, their tokens go on growing, also under a new epoch") {
  World w;
  const auto acquire = [&](const std::string& id, const std::string& agent, const std::string& path) {
    return w.lock_step([&](Step& s) {
      return s.locks.acquire({.id = id, .owner = {agent}, .key = *make_key("r", LockKind::glob, path, {}), .ttl = 60s},
                             w.now);
    });
  };
  const Fence first = must(acquire("lck_1", "agent-1", "src/*.c")).lease->fence;
  CHECK(w.happened("lock.granted") == std::vector<std::string>{"agent-1"});
  w.start();
  CHECK_FALSE(acquire("lck_2", "agent-2", "src/m*"));
  CHECK(must(acquire("lck_3", "agent-1", "src/*.c")).renewed);
  w.options.epoch = 5;
  w.start();
  const Fence second = must(acquire("lck_4", "agent-2", "doc/*")).lease->fence;
  CHECK((second > first && second.epoch == 5));
  w.advance(61s);
  CHECK(w.happened("lock.ended").size() == 2);
  w.start();
  CHECK(must(acquire("lck_5", "agent-2", "src/m*")).lease->fence > second);
}

TEST_CASE("a step that was undone leaves nothing in memory, and the line is said to be lost") {
  World w;
  const auto acquire = [&](Step& s, const std::string& id, const std::string& agent) {
    return s.locks.acquire({.id = id,
                            .owner = {agent},
                            .key = *make_key("r", LockKind::file, "a", {}),
                            .ttl = 60s,
                            .wait_until = w.now + 10s},
                           w.now);
  };
  {
    store::Transaction transaction = must(store::Transaction::begin(w.db, store::Transaction::Mode::immediate));
    must(must(
        w.host->with_locks(w.db, {.now = w.now}, w.report, [&](Step& s) { return acquire(s, "lck_1", "agent-1"); })));
    transaction.rollback();
  }
  CHECK(must(w.lock_step([&](Step& s) { return acquire(s, "lck_2", "agent-2"); })).lease);
  CHECK(w.report.line_lost);
  CHECK_FALSE(must(w.lock_step([&](Step& s) { return acquire(s, "lck_3", "agent-3"); })).lease);
  CHECK_FALSE(w.report.line_lost);
}

TEST_CASE("views show the state as files of old") {
  World w;
  w.add_agent("agent-1", "review", 2001);
  w.add_agent("gone");
  must(w.step([](Step& s) { return s.registry.gone(s.turn, "gone", ""); }));
  const Lease lease{.id = "lck_1",
                    .owner = {"agent-1"},
                    .key = *make_key("app", LockKind::file, "src/\xC3\xA4 b.c", {}),
                    .reason = "fix\nit",
                    .granted = {1'000'000},
                    .expires = Moment{61'000'001},
                    .fence = {1, 7}};
  const auto agents = must(w.step([](Step& s) { return s.registry.list(s.turn); }));
  const std::string view = active_agents_view(agents, {{"agent-1", {lease.key.path}}}, {{"agent-1", 3}}, w.now, 5s);
  CHECK(view.find("\"unread\": 3") != std::string::npos);
  CHECK(view.find("src/\xC3\xA4 b.c") != std::string::npos);
  CHECK(view.find("gone") == std::string::npos);
  CHECK(lock_view(lease, 5s).find("\"expires\": \"1970-01-01T00:01:06.000001Z\"") != std::string::npos);
  CHECK(lock_file_name(lease) == "src%2F%C3%A4%20b.c.lck_1.lock");
  Lease nasty = lease;
  nasty.key.path = "../" + std::string(1000, '/');
  CHECK((lock_file_name(nasty).size() < 255 && lock_file_name(nasty).find('/') == std::string::npos));
  CHECK_FALSE(lock_file_name(nasty).starts_with("."));
  const Message message{.id = "msg_1", .sender = "agent-1", .thread = "msg_1", .body = "two\nlines \"x\"", .sent = {0}};
  const std::vector<std::string> to = {"agent-2"};
  const std::string line = message_log_line(message, to, 0s);
  CHECK((std::ranges::count(line, '\n') == 1 && line.ends_with("}\n")));
}
