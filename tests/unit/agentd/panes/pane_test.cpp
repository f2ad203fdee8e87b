#include "agentd/panes/pane.hpp"

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::agentd::panes;

TEST_CASE("a record is read back as it was written, and what is no record is none") {
  PaneRecord record{.uid = 2001, .restarts = 3};
  record.open.pane = "agent-0";
  record.open.argv = {"claude", "--", "a \"brief\"\nof two lines"};
  record.open.env = {{"KEY", "value"}};
  record.open.user = "agent-0";
  record.open.cwd = api::Path("/workspace/\xff");
  record.open.program.rules = {{.state = api::PaneState::busy, .pattern = "x", .bottom_lines = 2}};
  const auto back = decode_record(encode_record(record));
  REQUIRE(back);
  CHECK(back->open == record.open);
  CHECK(back->uid == 2001);
  CHECK(back->restarts == 3);
  for (const char* text : {"", "{}", "[]", "{\"open\":{},\"uid\":1}", "\xff"}) CHECK_FALSE(decode_record(text));
}
