#include "client/output/sanitizer.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "protocol/core/utf8.hpp"

namespace swarm::client {
namespace {

/// The same text in every way of cutting it in two, and byte by byte: chunks must not matter.
void check(std::string_view hostile, std::string_view expected) {
  CAPTURE(shown(hostile, 200));
  CHECK(sanitized(hostile) == expected);
  for (std::size_t cut = 0; cut <= hostile.size(); ++cut) {
    Sanitizer sanitizer;
    std::string out = sanitizer.feed(hostile.substr(0, cut));
    out += sanitizer.feed(hostile.substr(cut));
    out += sanitizer.finish();
    CHECK(out == expected);
  }
  Sanitizer sanitizer;
  std::string out;
  for (const char byte : hostile) out += sanitizer.feed({&byte, 1});
  out += sanitizer.finish();
  CHECK(out == expected);
}

/// Nothing that a terminal obeys.
bool harmless(std::string_view text) {
  if (!is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) return false;
    if (byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) return false;
  }
  return true;
}

using namespace std::string_view_literals;

TEST_CASE("a sanitiser keeps text, lines and tabs") {
  check("", "");
  check("plain\n\ttext\n", "plain\n\ttext\n");
  check("Grüße, 世界 🚀 é\n", "Grüße, 世界 🚀 é\n");
}

TEST_CASE("a sanitiser takes sequences with everything that belongs to them") {
  check("\x1b[31mred\x1b[0m", "red");
  check("\x1b[?1049h\x1b[2J\x1b[Hgone", "gone");
  check(
      "a\x1b]0;title\x07"
      "b",
      "ab");
  check("a\x1b]52;c;cm0gLXJm\x1b\\b", "ab");
  check("a\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\b", "aclickb");
  check("a\x1bP+q544e\x1b\\b", "ab");
  check("a\x1b_Gi=1;AAAA\x1b\\b\x1b^pm\x1b\\c\x1bXsos\x1b\\d", "abcd");
  check("a\x1b(0lqk\x1b(B", "alqk");
  check(
      "a\x1b#8\x1b=\x1b>\x1b"
      "cb",
      "ab");
  check("a\x1b[6n\x1b[cb", "ab");
}

TEST_CASE("a sanitiser knows the eight-bit spellings too") {
  check(
      "a\xc2\x9b"
      "31mb",
      "ab");
  check(
      "a\xc2\x9d"
      "0;t\xc2\x9c"
      "b",
      "ab");
  check(
      "a\xc2\x90"
      "data\xc2\x9c"
      "b",
      "ab");
  check(
      "a\xc2\x85"
      "b",
      "ab");
  check(
      "a\x9b"
      "31mb",
      "a\xef\xbf\xbd"
      "31mb");
}

TEST_CASE("a sanitiser lets no line overwrite another") {
  check("evil\rgood\n", "evil\ngood\n");
  check("dos\r\nlines\r\n", "dos\nlines\n");
  check("\r\r\n", "\n\n");
  check("abc\b\b\bxyz", "abcxyz");
  check(
      "a\0b\x07\x0e\x0f\x7f"
      "c"sv,
      "abc");
}

TEST_CASE("a sanitiser takes marks that reorder text") {
  check(
      "user\xe2\x80\xae"
      "gpj.exe\xe2\x80\xac",
      "usergpj.exe");
  check(
      "\xe2\x81\xa6"
      "x\xe2\x81\xa9",
      "x");
}

TEST_CASE("what is no UTF-8 is marked") {
  check(
      "a\xff"
      "b",
      "a\xef\xbf\xbd"
      "b");
  check("a\xc3", "a\xef\xbf\xbd");
  check("a\xc3(", "a\xef\xbf\xbd(");
  check("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
  check("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  check("\xe4\x1b[31mb",
        "\xef\xbf\xbd"
        "b");
}

TEST_CASE("an unfinished sequence does not hide what follows it") {
  check("a\x1b]0;never ends\nnext line", "a\nnext line");
  check("a\x1b[31\nb", "a\nb");
  check("a\x1b\nb", "a\nb");
  check("a\x1b]0;t\x1b[31mb", "ab");
  std::string endless = "\x1b]0;" + std::string(10'000, 'x');
  CHECK(sanitized(endless).size() > 5'000);
}

TEST_CASE("a cell is one line") { CHECK(one_line("a\nb\tc\x1b[2Jd") == "a b cd"); }

TEST_CASE("whatever comes, a terminal obeys nothing of it", "[property]") {
  const std::vector<std::string> pieces{"\x1b", "[",    "]",        "P",        "\\",       "0;",   "m",    "\x07",
                                        "\xc2", "\x9b", "\x9c",     "\x9d",     "\xe2\x80", "\xae", "text", "\n",
                                        "\r",   "\xff", "\xf0\x9f", "\x9a\x80", "(",        "?1h"};
  rc::prop("sanitised text is harmless, in whatever chunks", [&] {
    const auto picks = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, pieces.size()));
    std::string whole;
    std::string out;
    Sanitizer sanitizer;
    for (const std::size_t pick : picks) {
      whole += pieces[pick];
      out += sanitizer.feed(pieces[pick]);
    }
    out += sanitizer.finish();
    RC_ASSERT(harmless(out));
    RC_ASSERT(out == sanitized(whole));
  });
}

}  // namespace
}  // namespace swarm::client
