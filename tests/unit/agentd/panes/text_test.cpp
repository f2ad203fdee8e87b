#include "agentd/panes/text.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "agentd/panes/panes.hpp"
#include "agentd/panes/tmux.hpp"
#include "protocol/core/utf8.hpp"

using namespace swarm;
using namespace swarm::agentd::panes;

namespace {

CleanText clean(std::string_view text) { return clean_text(text); }

}  // namespace

TEST_CASE("text keeps what can be seen and loses what a terminal would act on") {
  CHECK(clean("two\nlines\twith a tab").text == "two\nlines\twith a tab");
  CHECK(clean("héllo 👩‍👩‍👧 שלום ❯").text == "héllo 👩‍👩‍👧 שלום ❯");
  CHECK(clean("a\r\nb\rc").text == "a\nb\nc");
  // Without its ESC a sequence is text; the end of a bracketed paste cannot be made.
  CHECK(clean("x\x1b[201~rm -rf ~\n").text == "x[201~rm -rf ~\n");
  CHECK(clean("\x1b]52;c;AAAA\a").text == "]52;c;AAAA");
  CHECK(clean(std::string_view("a\0b\x03\x04\x7f", 6)).text == "ab");
  CHECK(clean("\xc2\x9b"
              "31m")
            .text == "31m");  // CSI as one C1 character
  CHECK(clean("\x9b"
              "31m\xff\xed\xa0\x80")
            .text == "31m");
  CHECK(clean("a\x1b").removed_bytes == 1);
}

TEST_CASE("whatever comes in, what goes to a terminal is harmless") {
  rc::prop("no control characters but newline and tab, valid UTF-8, nothing counted twice", [](const std::string& in) {
    const CleanText out = clean_text(in);
    RC_ASSERT(is_utf8(out.text));
    RC_ASSERT(out.text.size() + out.removed_bytes == in.size());
    for (const char c : out.text) {
      const auto byte = static_cast<unsigned char>(c);
      RC_ASSERT(byte >= 0x20 || c == '\n' || c == '\t');
      RC_ASSERT(byte != 0x7f);
    }
    RC_ASSERT(clean_text(out.text).text == out.text);
  });
  rc::prop("nor does a screen that is shown elsewhere", [](const std::string& in) {
    const std::string out = printable_screen(in, Styles::drop);
    RC_ASSERT(is_utf8(out));
    for (const char c : out) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
  });
}

TEST_CASE("a captured screen becomes lines, with faint text told apart") {
  const auto lines = parse_screen("\x1b[1mbold\x1b[0m plain  \n\x1b[2mfaint\x1b[22m dark\x1b[m\n\n\x1b[38;2;2;2;2mx\n");
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].text == "bold plain");
  CHECK(lines[1].text == "faint dark");
  CHECK(lines[1].visible == "      dark");
  CHECK(lines[2].text.empty());
  CHECK(lines[3].visible == "x");  // the 2s are a colour
  CHECK(parse_screen("\x1b]0;title\x1b\\text")[0].text == "text");
  CHECK(parse_screen("\x1b[").empty());
}

TEST_CASE("a screen for others keeps colours where asked and no other sequence") {
  CHECK(printable_screen("\x1b[31mred\x1b[2J\x1b]0;t\a\n", Styles::keep) == "\x1b[31mred\n");
  CHECK(printable_screen("\x1b[31mred\x1b[2J\n", Styles::drop) == "red\n");
  CHECK(printable_screen("\xff", Styles::drop) == "\xef\xbf\xbd");
  CHECK(printable_screen("\x1b[?1049h\x1b[>1mx", Styles::keep) == "x");
}

TEST_CASE("keys are those that tmux has names for") {
  for (const char* key : {"Enter", "Escape", "C-c", "M-x", "C-M-Up", "F12", "a", "~", ";"}) CHECK(is_key(key));
  for (const char* key : {"", "enter", "C-", "echo", "Enter ", "F13", "\n", "\x1b"}) CHECK_FALSE(is_key(key));
}

TEST_CASE("a word stays one word for tmux") {
  CHECK(quote_for_tmux("a b") == "'a b'");
  CHECK(quote_for_tmux("it's; #{x} $HOME") == "'it'\\''s; #{x} $HOME'");
}
