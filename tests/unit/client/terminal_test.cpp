#include <catch2/catch.hpp>

#include "client/terminal/detach_keys.hpp"
#include "client/terminal/mode_tracker.hpp"
#include "client/transfer/place.hpp"

namespace swarm::client {
namespace {

DetachKeys keys(std::string_view text) {
  auto parsed = DetachKeys::parse(text);
  REQUIRE(parsed);
  return *parsed;
}

TEST_CASE("detach keys are found, over chunks and after false starts") {
  DetachKeys detach = keys("ctrl-p,ctrl-q");
  CHECK(detach.feed("ls\r").forward == "ls\r");
  DetachKeys::Typed typed = detach.feed("a\x10");
  CHECK(typed.forward == "a");
  CHECK_FALSE(typed.detach);
  typed = detach.feed("b");
  CHECK(typed.forward ==
        "\x10"
        "b");
  typed = detach.feed("\x10\x10");
  CHECK(typed.forward == "\x10");
  typed = detach.feed("\x11 never");
  CHECK(typed.detach);
  CHECK(typed.forward.empty());
}

TEST_CASE("detach keys can be others, or none") {
  CHECK(keys("ctrl-],x")
            .feed("\x1d"
                  "x")
            .detach);
  CHECK(keys("ctrl-@").feed(std::string_view("\0", 1)).detach);
  CHECK(keys("none").feed("\x10\x11").forward == "\x10\x11");
  for (const char* wrong : {"ctrl-", "ctrl-é", "f1", "ctrl-p,", "ctrl-1"}) {
    CAPTURE(wrong);
    const auto parsed = DetachKeys::parse(wrong);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::invalid_argument);
  }
}

TEST_CASE("modes that a program left on are switched off") {
  ModeTracker modes;
  CHECK(modes.undo().empty());
  modes.feed("\x1b[?1049h\x1b[?25");
  modes.feed("l\x1b[?1000;1006h\x1b[31m");
  CHECK(modes.undo() == "\x1b[0m\x1b[?1000l\x1b[?1006l\x1b[?1049l\x1b[?25h");
  modes.feed("\x1b[?1049l\x1b[?25h\x1b[?1000;1006l\x1b[m");
  CHECK(modes.undo().empty());
  modes.feed("\x1b=\x1b[?2004h\x1b[4 q");
  CHECK(modes.undo() == "\x1b[0 q\x1b>\x1b[?2004l");
  modes.feed(
      "\x1b"
      "c");
  CHECK(modes.undo().empty());
  modes.feed("\x1b[?7h\x1b[?" + std::string(1000, '9') + "h");
  CHECK(modes.undo().empty());
}

TEST_CASE("places of a copy") {
  const auto place = [](const std::string& text) {
    auto parsed = parse_place(text);
    REQUIRE(parsed);
    return *parsed;
  };
  CHECK(place("web:src/a:b").sandbox == "web");
  CHECK(place("web:src/a:b").path == "src/a:b");
  CHECK(place("web:").path.empty());
  CHECK_FALSE(place("./a:b").sandbox);
  CHECK_FALSE(place("/tmp/a:b").sandbox);
  CHECK(place("-").stream());
  CHECK_FALSE(parse_place(":x"));
  CHECK_FALSE(parse_place(""));
  CHECK(last_name("a/b/") == "b");
  CHECK(last_name("src/.").empty());
  CHECK(last_name("..").empty());
  CHECK(below("dir/", "x") == "dir/x");
  CHECK(below("", "x") == "x");
}

}  // namespace
}  // namespace swarm::client
