#include "protocol/coord/text.hpp"

#include <rapidcheck/catch.h>

#include <catch2/catch.hpp>

#include "protocol/core/utf8.hpp"

using namespace swarm;
using namespace swarm::coord;

TEST_CASE("what could act on a terminal or deceive a reader is removed, the rest stays") {
  const auto clean = [](std::string_view raw) { return clean_text(raw); };
  CHECK(clean("plain\ttext\n") == "plain\ttext\n");
  CHECK(clean("a\r\nb\rc") == "a\nb\nc");
  CHECK(clean(std::string_view("a\0b\x07", 4)) == "ab");
  CHECK(clean("\x1b[31mred\x1b[0m") == "red");
  CHECK(clean("\x1b]0;title\x07x\x1b]52;c;QUJD\x1b\\y") == "xy");
  CHECK(clean("\x1bP1$q\x1b\\z\x1b(Bq") == "zq");
  CHECK(clean("\xC2\x9B"
              "31mred") == "red");                       // CSI in one character
  CHECK(clean("\x1b]0;never ended\nnext") == "\nnext");  // takes its line, not the message
  CHECK(clean("a\x1b") == "a");
  CHECK(clean("\xE2\x80\xAE"
              "evil\xE2\x80\xAC\xE2\x81\xA6x") == "evilx");                    // bidirectional
  CHECK(clean("pass\xE2\x80\x8Bword\xEF\xBB\xBF\xE2\x81\xA0") == "password");  // zero width
  CHECK(clean("a\xF3\xA0\x81\x81"
              "b") == "ab");  // tag characters
  CHECK(clean("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9") == "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9");
  CHECK(clean("a\xE2\x80\x8D"
              "b") == "ab");
  CHECK(clean("\xE4\xBD\xA0\xE5\xA5\xBD \xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7") ==
        "\xE4\xBD\xA0\xE5\xA5\xBD \xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7");
  CHECK(clean("bad \xFF utf8") == "bad \xEF\xBF\xBD utf8");
  CHECK(clean_line("a\nb\tc") == "a b c");
}

TEST_CASE("clean text is harmless whatever it was, and stays as it is") {
  rc::prop("no control, valid, settled", [] {
    const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "\x1b", "[", "]", "31m", "\x07", "\\", "P", "x", "\r", "\n", "\xC2\x9B", "\xC2\x9D", "\xE2\x80\x8D",
        "\xF0\x9F\x91\xA8", "\xFF", "\xE2", "\x80", "\x8B", "0;", std::string(1, '\0')));
    std::string raw;
    for (const std::string& piece : pieces) raw += piece;
    const std::string out = clean_text(raw);
    RC_ASSERT(is_utf8(out));
    for (const char c : out) {
      const auto byte = static_cast<unsigned char>(c);
      RC_ASSERT((byte >= 0x20 || c == '\n' || c == '\t'));
      RC_ASSERT(byte != 0x7F);
    }
    RC_ASSERT(out.find("\xC2\x9B") == std::string::npos);
    RC_ASSERT(out.find("\xC2\x9D") == std::string::npos);
    RC_ASSERT(clean_text(out) == out);
  });
}
