#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/monitor/draw.hpp"
#include "client/output/width.hpp"

namespace swarm::client {
namespace {

std::vector<std::string> plain(const Picture& picture, std::size_t columns, std::size_t rows, Spot from = {}) {
  return picture.cut(from, columns, rows, Paint::no);
}

using Lines = std::vector<std::string>;

TEST_CASE("keys are told apart, over chunks") {
  KeyReader keys;
  CHECK(keys.feed("q") == std::vector{KeyPress{.character = 'q'}});
  CHECK(keys.feed("\x1b[A\x1b[1;5C\x1bOB\x1b[6~\t\r\x1b[Z") ==
        std::vector{KeyPress{.key = Key::up}, KeyPress{.key = Key::right}, KeyPress{.key = Key::down},
                    KeyPress{.key = Key::page_down}, KeyPress{.key = Key::tab}, KeyPress{.key = Key::enter},
                    KeyPress{.key = Key::back_tab}});
  CHECK(keys.feed("\x1b[1;2").empty());
  CHECK(keys.feed("D") == std::vector{KeyPress{.key = Key::left}});
  CHECK(keys.feed("\x1b") == std::vector{KeyPress{.key = Key::escape}});
  CHECK(keys.feed("\x1b\x1b") == std::vector{KeyPress{.key = Key::escape}, KeyPress{.key = Key::escape}});
  CHECK(keys.feed("\x1b[M\xc3\xa4\x1b[200~x") == std::vector{KeyPress{.character = 'x'}});
}

TEST_CASE("a picture is cut to size, and keeps its colours to itself") {
  const Picture picture("\x1b[1;31mred\n still\x1b[0m off\nwide \xe5\xad\x97!\n", std::nullopt);
  CHECK(plain(picture, 6, 4) == Lines{"red   ", " still", "wide  ", "      "});
  CHECK(plain(picture, 3, 2, {.column = 6, .row = 1}) == Lines{" of", " ! "});  // half a character is a blank
  CHECK(picture.cut({}, 4, 2, Paint::yes) == Lines{"\x1b[0;1;31mred\x1b[0m ", "\x1b[0;1;31m sti\x1b[0m"});
  for (const std::string& line : plain(picture, 6, 4)) CHECK(display_width(line) == 6);
}

TEST_CASE("only colours and characters get through a picture") {
  const Picture picture("a\x1b]0;title\x07\x1b[2Jb\x1b[5;8mc\x1b[38;5;200md\x1b[38;2;1;2;3;4me\x1b[48:5:1mf\x1b[?25lg",
                        std::nullopt);
  CHECK(plain(picture, 8, 1) == Lines{"abcdefg "});
  CHECK(picture.cut({}, 7, 1, Paint::yes) == Lines{"abc\x1b[0;38;5;200md\x1b[0;4;38;2;1;2;3mefg\x1b[0m"});
}

TEST_CASE("the cursor is drawn where it is, also behind the text") {
  const Picture picture("ab\n", Spot{.column = 3, .row = 1});
  CHECK(picture.height() == 2);
  CHECK(picture.cut({}, 5, 2, Paint::yes) == Lines{"ab   ", "   \x1b[0;7m \x1b[0m "});
}

TEST_CASE("of a tall picture the end is shown, or what says more") {
  std::string text;
  for (int i = 0; i < 40; ++i) text += fmt::format("line {}\n", i);
  CHECK(Picture(text, std::nullopt).best_row(10) == 30);
  CHECK(Picture(text, Spot{.column = 0, .row = 4}).best_row(10) == 4);
  CHECK(Picture("a\nb\nc\n\n\n\n\n\n\n\n\nkeys\n", std::nullopt).best_row(4) == 0);
  CHECK(Picture("few\n", std::nullopt).best_row(4) == 0);
}

Sight team(std::size_t count) {
  Sight sight;
  sight.swarm.name = "team";
  sight.swarm.state = api::SwarmState::working;
  sight.swarm.feature = "A feature with a \x1b[31mred\x1b[0m word";
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("agent-{}", i);
    sight.swarm.agents.push_back({.id = name, .kind = "claude", .lead = i == 0});
    sight.agents.push_back({.id = name, .state = api::AgentState::working, .task = "What it works on, at length"});
  }
  sight.locks.locks.push_back({.agent = "agent-0", .path = {"free.c"}, .reason = "a reason"});
  sight.locks.locks.push_back({.agent = "agent-1", .path = {"wanted.c"}});
  sight.locks.waiting.push_back({.agent = "agent-2", .path = {"wanted.c"}});
  for (int i = 0; i < 50; ++i) sight.lines.push_back(fmt::format("12:00:{:02}  agent-1 to agent-2: word {}", i, i));
  return sight;
}

TEST_CASE("every screen fits its terminal, whatever the size") {
  for (const std::size_t count : {0U, 1U, 3U, 8U, 64U}) {
    const Sight sight = team(count);
    const std::vector<std::string> agents = agents_of(sight);
    Screens screens;
    for (const std::string& agent : agents) {
      std::string text;
      for (int i = 0; i < 40; ++i) text += fmt::format("\x1b[32m{} {:>100}\n", agent, i);
      screens[agent] = {.picture = Picture(text, Spot{.column = 2, .row = 39}),
                        .pane = api::PaneInfo{.pane = agent, .cols = 120, .rows = 40, .kind = "claude"},
                        .trouble = agent == "agent-1" ? "it is away" : ""};
    }
    for (const auto showing : {Showing::overview, Showing::tiles, Showing::screen, Showing::work}) {
      for (const auto& [columns, rows] :
           {std::pair{80U, 24U}, {200U, 60U}, {40U, 10U}, {12U, 4U}, {1U, 1U}, {80U, 12U}}) {
        View view{.showing = showing, .selected = count > 2 ? "agent-2" : ""};
        settle(view, agents);
        const Drawing drawing{.sight = sight,
                              .screens = screens,
                              .view = view,
                              .size = {.columns = columns, .rows = rows},
                              .paint = Paint::no,
                              .now = {},
                              .trouble = {}};
        const Lines lines = drawn(drawing);
        CAPTURE(count, static_cast<int>(showing), columns, rows);
        CHECK(lines.size() <= std::max(rows, 3U));
        // The tables' columns that must not be cut take what they take on a terminal that is too small for anything.
        if (columns < 40) continue;
        for (const std::string& line : lines) {
          CHECK(display_width(line) <= std::max<std::size_t>(columns, showing == Showing::overview ? 60 : 0));
          CHECK(line.find('\x1b') == std::string::npos);
        }
      }
    }
  }
}

TEST_CASE("the overview of 80x24 has agents, a screen, locks and what was said") {
  const Sight sight = team(3);
  Screens screens;
  screens["agent-1"] = {.picture = Picture("typed here\n", std::nullopt),
                        .pane = api::PaneInfo{.cols = 120, .rows = 40, .kind = "claude", .state = api::PaneState::busy},
                        .trouble = {}};
  View view;
  press(view, {.character = '1'}, agents_of(sight));
  const Lines lines = drawn({.sight = sight, .screens = screens, .view = view, .size = {}, .now = {}, .trouble = {}});
  const std::string screen = fmt::format("{}", fmt::join(lines, "\n"));
  CHECK(lines.size() == 24);
  for (const char* wanted : {"team  working", ">agent-1", "> agent-1 claude busy", "typed here", "2 locks, 1 waiting",
                             "lock wanted.c by agent-1 (agent-2 waiting)", "lock free.c by agent-0: a reason",
                             "word 49", "q leave", "swarmctl attach agent-1"}) {
    CAPTURE(screen);
    CHECK(screen.find(wanted) != std::string::npos);
  }
}

TEST_CASE("keys move over the agents and between the screens") {
  const std::vector<std::string> agents = {"agent-0", "agent-1", "agent-2"};
  View view;
  settle(view, agents);
  CHECK(view.selected == "agent-0");
  press(view, {.key = Key::back_tab}, agents);
  CHECK(view.selected == "agent-2");
  press(view, {.key = Key::down}, agents);
  CHECK(view.selected == "agent-0");
  press(view, {.character = 't'}, agents);
  press(view, {.key = Key::enter}, agents);
  CHECK(view.showing == Showing::screen);
  press(view, {.key = Key::up}, agents);
  press(view, {.key = Key::right}, agents);
  CHECK((view.up == 1 && view.right == 10 && view.selected == "agent-0"));
  press(view, {.key = Key::tab}, agents);
  CHECK((view.up == 0 && view.right == 0 && view.selected == "agent-1"));
  press(view, {.key = Key::enter}, agents);
  CHECK(view.showing == Showing::tiles);
  press(view, {.key = Key::escape}, agents);
  CHECK(view.showing == Showing::overview);
  press(view, {.character = '\x03'}, agents);
  CHECK(view.leave);
  settle(view, {"agent-7"});
  CHECK(view.selected == "agent-7");
}

TEST_CASE("tiles are as many as are worth looking at, and only what is visible is asked for") {
  std::vector<std::string> agents;
  for (int i = 0; i < 64; ++i) agents.push_back(fmt::format("agent-{}", i));
  View view{.showing = Showing::tiles, .selected = "agent-7"};
  Layout layout = lay_out(view, agents, 0, 80, 24);
  CHECK(layout.tiles.size() == 6);
  CHECK(layout.tiles.front().agent == "agent-6");
  for (const Tile& tile : layout.tiles) CHECK((tile.area.columns >= 38 && tile.area.rows >= 7));
  layout = lay_out({.showing = Showing::tiles, .selected = "agent-0"}, {"agent-0", "agent-1"}, 0, 80, 24);
  CHECK((layout.tiles.size() == 2 && layout.tiles[0].area.columns == 80));
  CHECK(lay_out({.selected = "agent-7"}, agents, 0, 80, 24).tiles.size() == 1);
  CHECK(lay_out({.showing = Showing::work}, agents, 0, 80, 24).tiles.empty());
}

}  // namespace
}  // namespace swarm::client
