#include "daemon/config/document.hpp"

#include <catch2/catch.hpp>

using namespace swarm::config;

namespace {

Document::Mistake mistake_of(const std::string& text) {
  const Document document = parse_document(text);
  REQUIRE(document.mistake);
  return *document.mistake;
}

}  // namespace

TEST_CASE("a document keeps where each piece stands") {
  const Document document = parse_document("# comment\n[log]\nlevel = \"info\"\n  keep = 3\n");
  REQUIRE_FALSE(document.mistake);
  REQUIRE(document.root.size() == 1);
  CHECK(document.root[0].key == "log");
  const auto& log = std::get<Node::Table>(document.root[0].value.value);
  REQUIRE(log.size() == 2);
  CHECK(log[0].at == Position{3, 1});
  CHECK(log[0].value.at == Position{3, 9});
  CHECK(log[1].at == Position{4, 3});
  CHECK(log[1].value.describe() == "the integer 3");
}

TEST_CASE("syntax errors and invalid UTF-8 have a line and a column") {
  const auto syntax = mistake_of("[log]\nlevel = \n");
  CHECK(syntax.at.line == 2);
  CHECK(syntax.at.column > 1);
  const auto bytes = mistake_of("[log]\nlevel = \"\xff\xfe\"\n");
  CHECK(bytes.at.line == 2);
  CHECK(mistake_of("a = 1\na = 2\n").at.line == 2);
}

TEST_CASE("what confuses the parser itself is a mistake with its line") {
  const auto mistake = mistake_of("[log]\nlevel = \"\"\"a\nb\"\"\"\nkeep = 1979-05-27T&07:32:00Z\nx = 1\n");
  CHECK(mistake.at == Position{4, 1});
  CHECK(mistake.message == "a malformed value: a date, time or number with a stray character in it");
}

TEST_CASE("letters outside ASCII are text in strings and mistakes elsewhere") {
  const Document document = parse_document("# \u00e9\na = \"\"\"\\\n  \u00e9 \u0416\"\"\"\n");
  REQUIRE_FALSE(document.mistake);
  CHECK(std::get<std::string>(document.root[0].value.value) == "\u00e9 \u0416");
  CHECK(mistake_of("[log]\n\u00e9 = 1\n").at == Position{2, 1});
  CHECK(mistake_of("a = 1 \u0416\n").at.line == 1);
}

TEST_CASE("too deep is refused, however it is written") {
  CHECK_FALSE(parse_document("a.b.c.d.e.f.g.h.i = 1").mistake);
  CHECK_FALSE(parse_document("a = [[[[[[[[1]]]]]]]]").mistake);
  CHECK(mistake_of("a.b.c.d.e.f.g.h.i.j.k = 1").message == "nested deeper than 10 levels");
  CHECK(mistake_of("x = 1\n[a.b.c.d.e.f.g.h.i.j.k]\n").at.line == 2);
  CHECK(mistake_of("a = [[[[[[[[[[[1]]]]]]]]]]]").message == "nested deeper than 10 levels");
  CHECK(mistake_of("[a.b.c.d.e.f]\ng.h.i.j.k = 1").message == "nested deeper than 10 levels");
  CHECK(mistake_of("[a.b.c.d.e.f]\ng = {h={i={j={k={}}}}}").message == "nested deeper than 10 levels");
  // Half a million levels would overflow the stack of a parser that recurses.
  std::string deep;
  for (int i = 0; i < 500'000; ++i) deep += "a.";
  CHECK(mistake_of(deep + "a=1").message == "nested deeper than 10 levels");
  CHECK(mistake_of("a = " + std::string(500'000, '[')).message == "nested deeper than 10 levels");
}

TEST_CASE("dots and brackets in strings and comments are not levels") {
  const char* text =
      "# a.b.c.d.e.f.g.h.i.j.k.l.m [[[[[[[[[[[[[[\n"
      "a = \"a.b.c.d.e.f.g.h.i.j.k.l.m \\\" [[[[[[[[[[[[[\"\n"
      "b = 'a.b.c.d.e.f.g.h.i.j.k.l.m \\'\n"
      "c = \"\"\"a.b.c.d.e.f\n.g.h.i.j.k.l.m \\\"\"\" [[[[[[[[[[[[\"\"\"\"\"\n"
      "d = '''a.b.c.d.e.f.g.h.i.j.k\n'' {{{{{{{{{{{{'''\n";
  const Document document = parse_document(text);
  INFO((document.mistake ? document.mistake->message : ""));
  CHECK_FALSE(document.mistake);
  CHECK(mistake_of(std::string(text) + "x.b.c.d.e.f.g.h.i.j.k.l.m = 1").at.line == 8);
}

TEST_CASE("a file over 1 MiB is refused") {
  CHECK_FALSE(parse_document("#" + std::string(kMaxFileBytes - 1, 'x')).mistake);
  CHECK(mistake_of("#" + std::string(kMaxFileBytes, 'x')).message == "larger than 1 MiB, which no configuration needs");
}

TEST_CASE("what came is described without control characters and not at length") {
  CHECK(Node{.value = std::string("a\n\"\x1b[0m"), .at = {}}.describe() == "\"a\\n\\\"\\u001b[0m\"");
  CHECK(Node{.value = std::string(100, 'x'), .at = {}}.describe() == "\"" + std::string(40, 'x') + "...\"");
  CHECK(Node{.value = Node::Table{}, .at = {}}.describe() == "a table");
  CHECK(Node{.value = std::string("token"), .at = {}}.describe_kind() == "a string");
}
