#include "agentd/panes/recogniser.hpp"

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::agentd::panes;
using api::PaneState;

namespace {

std::unique_ptr<Recogniser> make(const api::PaneProgram& program) {
  auto made = Recogniser::make(program);
  REQUIRE(made);
  return std::move(*made);
}

}  // namespace

TEST_CASE("the first rule that fits tells the state, within the lines that it may look at") {
  const auto recogniser = make({.rules = {{.state = PaneState::permission, .pattern = "^Allow\\?", .bottom_lines = 2},
                                          {.state = PaneState::busy, .pattern = "working"}},
                                .otherwise = PaneState::starting});
  CHECK(recogniser->state(parse_screen("hello\n")) == PaneState::starting);
  CHECK(recogniser->state(parse_screen("working\nAllow?\n\n\n")) == PaneState::permission);
  CHECK(recogniser->state(parse_screen("Allow?\nworking\nthree\nfour\n")) == PaneState::busy);
  CHECK(recogniser->state({}) == PaneState::starting);
}

TEST_CASE("the composer is the lowest line of its kind, and may have several lines where its end is drawn") {
  const auto recogniser = make({.composer = "^> ?(.*)$", .composer_end = "^---"});
  CHECK_FALSE(recogniser->composer(parse_screen("nothing\n")));
  CHECK(recogniser->composer(parse_screen("> old\ntext\n> new\n---\n"))->typed == "new");
  CHECK(recogniser->composer(parse_screen("> one\n  two\n\n---\nhint\n"))->typed == "one\ntwo");
  CHECK(recogniser->composer(parse_screen("> one\nhint\n"))->typed == "one");
  CHECK(recogniser->state(parse_screen("> \n---\n")) == PaneState::ready);
  CHECK(recogniser->state(parse_screen("> x\n---\n")) == PaneState::typing);
}

TEST_CASE("a pattern that is none is refused by name") {
  const auto made = Recogniser::make({.rules = {{.state = PaneState::busy, .pattern = "(("}}});
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Code::invalid_argument);
  CHECK(made.error().message.find("'(('") != std::string::npos);
}

TEST_CASE("a hostile screen does not make a rule endless") {
  const auto recogniser = make({.rules = {{.state = PaneState::busy, .pattern = "(a|aa)+$|(x+x+)+y"}}});
  const std::string line(1000, 'a');
  const std::string other(1000, 'x');
  CHECK(recogniser->state(parse_screen(line + "!\n" + other + "\n")) == PaneState::unknown);
}
