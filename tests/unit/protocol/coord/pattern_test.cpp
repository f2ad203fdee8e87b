#include "protocol/coord/pattern.hpp"

#include <rapidcheck/catch.h>

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::coord;

namespace {

Pattern glob(const std::string& text, Folding folding = Folding::none) {
  const auto pattern = Pattern::glob(text, folding);
  INFO(text << (pattern ? "" : ": " + pattern.error().message));
  REQUIRE(pattern);
  return *pattern;
}

bool overlap(const std::string& a, const std::string& b) {
  const bool one = glob(a).overlaps(glob(b));
  CHECK(one == glob(b).overlaps(glob(a)));
  return one;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// A second opinion, as simple as can be: no braces, classes of single letters, letters a and b.
bool name_matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    return name_matches(pattern.substr(1), name) || (!name.empty() && name_matches(pattern, name.substr(1)));
  }
  if (name.empty()) return false;
  if (pattern[0] == '[') {
    const std::size_t end = pattern.find(']');
    const bool negated = pattern[1] == '!';
    const std::string_view letters = pattern.substr(negated ? 2 : 1, end - (negated ? 2 : 1));
    if ((letters.find(name[0]) != std::string_view::npos) == negated) return false;
    return name_matches(pattern.substr(end + 1), name.substr(1));
  }
  return (pattern[0] == '?' || pattern[0] == name[0]) && name_matches(pattern.substr(1), name.substr(1));
}

bool path_matches(const std::vector<std::string>& pattern, std::size_t i, const std::vector<std::string>& path,
                  std::size_t j) {
  if (i == pattern.size()) return j == path.size();
  if (pattern[i] == "**") {
    return path_matches(pattern, i + 1, path, j) || (j < path.size() && path_matches(pattern, i, path, j + 1));
  }
  return j < path.size() && name_matches(pattern[i], path[j]) && path_matches(pattern, i + 1, path, j + 1);
}

/// Every normalised path over {a, b, /} of up to seven characters, the root too.
const std::vector<std::vector<std::string>>& all_paths() {
  static const auto paths = [] {
    std::vector<std::string> texts{""};
    std::vector<std::vector<std::string>> out{{}};
    for (std::size_t from = 0, length = 1; length <= 7; ++length) {
      const std::size_t end = texts.size();
      for (; from < end; ++from) {
        const std::string base = texts[from];
        for (const char c : {'a', 'b', '/'}) {
          if (c == '/' && (base.empty() || base.back() == '/')) continue;
          texts.push_back(base + c);
          if (c != '/') out.push_back(split(texts.back()));
        }
      }
    }
    return out;
  }();
  return paths;
}

/// Up to four places, so that a common path, if there is one, is found among `all_paths`.
rc::Gen<std::string> small_globs() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(
          4, rc::gen::element<std::string>("a", "b", "*", "?", "[ab]", "[!a]", "[a]", "/", "**", "", "")),
      [](const std::vector<std::string>& parts) {
        std::string text;
        for (const std::string& part : parts) {
          // `**` is a name of its own.
          if (part == "**") {
            text += (text.empty() || text.back() == '/') ? "**/" : "/**/";
          } else {
            text += part;
          }
        }
        return text;
      });
}

}  // namespace

TEST_CASE("globs meet exactly where a path is in both") {
  CHECK(overlap("src/*.cpp", "src/main.*"));
  CHECK_FALSE(overlap("src/*.cpp", "src/*.hpp"));
  CHECK(overlap("src/**", "src/a/b/c.txt"));
  CHECK(overlap("src/**", "src"));
  CHECK_FALSE(overlap("src/**", "src2/a"));
  CHECK(overlap("**/test_*.py", "a/b/*_x.py"));
  CHECK_FALSE(overlap("**/test_*.py", "a/*/[!t]*.py"));
  CHECK(overlap("a?c", "a[b-d]c"));
  CHECK_FALSE(overlap("a[0-9]c", "a[a-z]c"));
  CHECK(overlap("{src,lib}/**", "lib/x"));
  CHECK_FALSE(overlap("{src,lib}/**", "doc/x"));
  CHECK(overlap("a/{b,c/{d,e}}/f", "a/c/e/f"));
  CHECK(overlap("*a*b*", "b*a*b"));
  CHECK_FALSE(overlap("*.tsx", "[ab].ts"));
  CHECK(overlap("?", "\xC3\xA4"));  // one character, two bytes
  CHECK_FALSE(overlap("??", "\xC3\xA4"));
  CHECK(overlap("[\xC3\xA0-\xC3\xBF]x", "\xC3\xA4x"));
  CHECK(overlap("?", "\xFF"));  // not UTF-8: a character of its own
  CHECK(overlap("[]a]", "]"));
  CHECK(overlap("[!]]", "a"));
  CHECK_FALSE(overlap("[!]]", "]"));
  CHECK(overlap("a/./b//c", "a/b/c"));
  CHECK(overlap("[{]x", "[{}]?"));
}

TEST_CASE("what is no glob is refused, with the reason") {
  for (const char* bad : {"a[b", "a{b", "a}b", "a\\*", "a/*/../b", "[z-a]", "{{a,b}"}) {
    INFO(bad);
    const auto pattern = Pattern::glob(bad);
    REQUIRE_FALSE(pattern);
    CHECK(pattern.error().code == Code::invalid_argument);
  }
  CHECK_FALSE(Pattern::glob("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"));
  CHECK_FALSE(Pattern::glob(std::string(5000, 'a')));
}

TEST_CASE("a glob made to be slow is not") {
  std::string stars;
  std::string names;
  for (int i = 0; i < 400; ++i) {
    stars += "*a*b";
    names += "**/x*y/";
  }
  CHECK(overlap(stars, "*b" + stars));
  CHECK(overlap(names, names + "z*/**"));
}

TEST_CASE("letters are one where the file system folds them") {
  CHECK(glob("SRC/[A-C]*.TXT", Folding::simple).overlaps(Pattern::file("src/Bx.txt", Folding::simple)));
  CHECK_FALSE(glob("SRC/[!A-C]*", Folding::simple).overlaps(Pattern::file("src/Bx", Folding::simple)));
  CHECK_FALSE(glob("SRC/*").overlaps(Pattern::file("src/b")));
  CHECK(Pattern::file("\xC3\x84", Folding::simple).overlaps(Pattern::file("\xC3\xA4", Folding::simple)));
  CHECK(folded("\xD0\x96\xCE\xA9Z\xFF", Folding::simple) == "\xD0\xB6\xCF\x89z\xFF");
}

TEST_CASE("one set covers another") {
  CHECK(Pattern::below("src").covers(Pattern::file("src/a/b")));
  CHECK(Pattern::below("src").covers(Pattern::below("src/a")));
  CHECK(Pattern::below("src").covers(glob("src/*.cpp")));
  CHECK_FALSE(Pattern::below("src/a").covers(Pattern::below("src")));
  CHECK_FALSE(Pattern::below("src").covers(glob("{src,lib}/*.cpp")));
  CHECK(glob("src/*.cpp").covers(Pattern::file("src/x.cpp")));
  CHECK(Pattern::below("").covers(glob("**/x")));
  CHECK_FALSE(Pattern::file("src").covers(Pattern::below("src")));
}

TEST_CASE("a glob follows links") {
  Pattern pattern = glob("lin*/x");
  CHECK_FALSE(pattern.overlaps(Pattern::file("real/x")));
  CHECK(pattern.follow("link", "real"));
  CHECK(pattern.overlaps(Pattern::file("real/x")));
  CHECK_FALSE(pattern.follow("link", "real"));
  CHECK_FALSE(pattern.overlaps(Pattern::file("real/y")));
  Pattern deep = glob("a/**/*.c");
  CHECK(deep.follow("a/b/link", "lib"));
  CHECK(deep.overlaps(Pattern::file("lib/z/q.c")));
  CHECK_FALSE(deep.overlaps(Pattern::file("lib/z/q.h")));
}

TEST_CASE("overlap, match and cover are those of brute force") {
  rc::prop("small globs over a small alphabet", [] {
    const std::string a = *small_globs();
    const std::string b = *small_globs();
    const Pattern pa = *Pattern::glob(a);
    const Pattern pb = *Pattern::glob(b);
    bool meet = false;
    bool covers = true;
    for (const auto& path : all_paths()) {
      const bool in_a = path_matches(split(a), 0, path, 0);
      const bool in_b = path_matches(split(b), 0, path, 0);
      meet = meet || (in_a && in_b);
      covers = covers && (!in_b || in_a);
    }
    if (pa.overlaps(pb) != meet) RC_FAIL("'" + a + "' and '" + b + "': brute force says " + (meet ? "yes" : "no"));
    if (pa.covers(pb) && !covers) RC_FAIL("'" + a + "' does not cover '" + b + "'");
    const auto& path = all_paths()[*rc::gen::inRange<std::size_t>(0, all_paths().size())];
    std::string text;
    for (const std::string& name : path) text += (text.empty() ? "" : "/") + name;
    RC_ASSERT(pa.matches(text) == path_matches(split(a), 0, path, 0));
    RC_ASSERT(pa.overlaps(Pattern::file(text)) == pa.matches(text));
  });
}
