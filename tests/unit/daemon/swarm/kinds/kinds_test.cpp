#include "daemon/swarm/kinds/kinds.hpp"

#include <catch2/catch.hpp>

#include "agentd/panes/recogniser.hpp"
#include "protocol/api/json.hpp"

using namespace swarm;
using namespace swarm::kinds;

namespace {

StartSpec spec() {
  return {.agent = "agent-1",
          .role = "implement",
          .brief = "Say \"hi\";\nthen {stop} $(reboot)",
          .home = "/home/agent-1",
          .worktree = "/workspace/.worktrees/agent-1/app",
          .model_url = "http://127.0.0.1:8080"};
}

Kind kind(std::string_view name) {
  Result<Kind> found = find(name);
  INFO((found ? std::string() : found.error().message));
  REQUIRE(found);
  return std::move(*found);
}

api::PaneState state(const Kind& of, std::string_view screen) {
  const auto recogniser = agentd::panes::Recogniser::make(of.program());
  REQUIRE(recogniser);
  return (*recogniser)->state(agentd::panes::parse_screen(screen));
}

}  // namespace

TEST_CASE("every kind can be read, started in each of its modes, and recognised") {
  CHECK(names() == std::vector<std::string>{"claude", "codex", "copilot", "demo", "gemini", "opencode", "shell"});
  for (const std::string& name : names()) {
    INFO(name);
    const Kind one = kind(name);
    CHECK_FALSE(one.summary().empty());
    CHECK(one.program().kind == name);
    REQUIRE(agentd::panes::Recogniser::make(one.program()));
    for (const Mode mode : {Mode::full_screen, Mode::one_shot, Mode::resume}) {
      StartSpec what = spec();
      what.mode = mode;
      const Result<Start> start = one.start(what);
      REQUIRE(start);
      REQUIRE_FALSE(start->argv.empty());
      CHECK(start->env.at("SWARM_AGENT") == "agent-1");
      CHECK(start->env.at("SWARM_BRIEF") == what.brief);
      for (const std::string& word : start->argv) CHECK(word != "{brief}");
      for (const File& file : start->files) {
        INFO(file.path);
        CHECK(file.path.starts_with("/"));
        CHECK(file.content.find("{worktree}") == std::string::npos);
        if (file.path.ends_with(".json")) CHECK(api::value_from_json(file.content));
      }
    }
  }
}

TEST_CASE("a brief is one word, whatever is in it, and what is empty is left out with its flag") {
  const Result<Start> start = kind("claude").start(spec());
  REQUIRE(start);
  CHECK(start->argv.back() == spec().brief);
  CHECK(std::ranges::find(start->argv, "--model") == start->argv.end());
  StartSpec with_model = spec();
  with_model.model = "opus";
  with_model.brief.clear();
  with_model.model_url.clear();
  const Result<Start> other = kind("claude").start(with_model);
  REQUIRE(other);
  CHECK(other->argv.back() == "opus");
  CHECK_FALSE(other->env.contains("ANTHROPIC_BASE_URL"));
}

TEST_CASE("a brief that is too long for an argument travels as a file of the agent") {
  StartSpec what = spec();
  what.brief = std::string(200'000, 'x');
  const Result<Start> start = kind("claude").start(what);
  REQUIRE(start);
  CHECK(start->argv.back().size() < 300);
  const auto file = std::ranges::find(start->files, what.brief, &File::content);
  REQUIRE(file != start->files.end());
  CHECK(start->argv.back().find(file->path) != std::string::npos);
  CHECK_FALSE(file->root);
}

TEST_CASE("settings that bind an agent are not the agent's to change") {
  const Result<Start> start = kind("claude").start(spec());
  REQUIRE(start);
  const auto managed =
      std::ranges::find_if(start->files, [](const File& file) { return file.path.ends_with("managed-settings.json"); });
  REQUIRE(managed != start->files.end());
  CHECK(managed->root);
  CHECK((managed->mode & 0222) == 0200);
}

TEST_CASE("any program can be an agent, and a slip in a name is told") {
  const Result<Start> start = kind("cmd:make -C /workspace agent").start(spec());
  REQUIRE(start);
  CHECK(start->argv == std::vector<std::string>{"/bin/sh", "-c", "make -C /workspace agent"});
  const auto wrong = find("cluade");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == Code::not_found);
  CHECK(wrong.error().message.find("claude") != std::string::npos);
  CHECK_FALSE(find("cmd:"));
}

TEST_CASE("a data file that is wrong says where") {
  const auto unknown = Kind::parse("x", "summary = 'x'\n[start]\nfull_scren = ['x']\n");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find("x.toml:3") != std::string::npos);
  CHECK(unknown.error().message.find("full_screen") != std::string::npos);
  CHECK_FALSE(Kind::parse("x", "[start]\nfull_screen = 'x'\n"));
  CHECK_FALSE(Kind::parse("x", "[start\n"));
  CHECK_FALSE(Kind::parse("x", "[start]\nfull_screen = ['x']\n[screen]\nrules = [{state = 'bussy', pattern = 'x'}]\n"));
}

// As its version of the data file shows them, 60 columns wide.
TEST_CASE("Claude Code's screens are told apart") {
  const Kind claude = kind("claude");
  const std::string line = "────────────────────────────────────────────────────────────\n";
  const std::string ready = "✻ Crunched for 0s · done 12:08 PM\n\n" + line + "❯\xc2\xa0\n" + line +
                            "  ⏵⏵ accept edits on (shift+tab to cycle)\n";
  CHECK(state(claude, ready) == api::PaneState::ready);
  CHECK(state(claude, "\n" + line + "❯ do it\n  and that\n" + line + "  ? for shortcuts\n") == api::PaneState::typing);
  // A suggestion of its own is drawn faint; nobody typed it.
  CHECK(state(claude, line + "❯ \x1b[2mTry \"edit app.py\"\x1b[0m\n" + line + "  ? for shortcuts\n") ==
        api::PaneState::ready);
  CHECK(state(claude, "· Synthesizing… (6s)\n" + line + "❯ \n" + line + "  ⏸ manual mode on · esc to interrupt\n") ==
        api::PaneState::busy);
  CHECK(state(claude,
              " Do you want to proceed?\n ❯ 1. Yes\n   2. Yes, and don't ask again\n   3. No\n\n Esc to cancel · Tab "
              "to amend\n") == api::PaneState::permission);
  CHECK(state(claude, " ❯ No, exit\n   Yes, I trust this folder\n\n Enter to confirm · Esc to cancel\n") ==
        api::PaneState::permission);
  CHECK(state(claude, "$ claude\n") == api::PaneState::starting);
  // What is said in the conversation is no dialog and no work.
  CHECK(state(claude, "● The file says: Esc to cancel, esc to interrupt\n ❯ 1. Yes\n\n\ntext\ntext\ntext\ntext\n" +
                          ready) == api::PaneState::ready);
}
