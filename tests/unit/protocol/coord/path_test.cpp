#include "protocol/coord/path.hpp"

#include <catch2/catch.hpp>
#include <map>

using namespace swarm;
using namespace swarm::coord;

namespace {

PathRules with_links(std::map<std::string, std::string> links, Folding folding = Folding::none) {
  return {.folding = folding,
          .links = {.target = [links](const std::string& path) -> std::optional<std::string> {
                      const auto found = links.find(path);
                      if (found == links.end()) return std::nullopt;
                      return found->second;
                    },
                    .all =
                        [links] {
                          std::vector<std::string> all;
                          for (const auto& [path, target] : links) all.push_back(path);
                          return all;
                        }}};
}

std::string normal(const std::string& path, const PathRules& rules = {}) {
  const auto result = normalise(path, rules);
  return result ? *result : "refused: " + result.error().message;
}

}  // namespace

TEST_CASE("a path has one name") {
  CHECK(normal("a/b.c") == "a/b.c");
  CHECK(normal("./a//b/./c/") == "a/b/c");
  CHECK(normal("a/../b") == "b");
  CHECK(normal("a\\b") == "a/b");
  CHECK(normal("a%41") == "a%41");
  CHECK(normal("100%") == "100%");
  CHECK(normal(".") == "");
  CHECK(normal("Src/Main.C", {.folding = Folding::simple}) == "src/main.c");
}

TEST_CASE("what leaves the repository is refused") {
  for (const char* bad : {"../../etc/passwd", "/etc/passwd", "..\\", "a/../../b", "%2e%2e/x", "a/%2E%2e/b",
                          "%252e%252e", "a%2fb", "a%5cb", "a%00", "\\etc", "a\nb", "\x7F"}) {
    INFO(bad);
    const auto result = normalise(bad, {});
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::invalid_argument);
  }
  CHECK_FALSE(normalise(std::string("a\0b", 3), {}));
  CHECK_FALSE(normalise(std::string(5000, 'a'), {}));
}

TEST_CASE("links are followed as the kernel follows them") {
  const auto rules = with_links({{"link", "real/deep"},
                                 {"real/up", "../other"},
                                 {"circle", "circle"},
                                 {"out", "../../etc"},
                                 {"abs", "/etc"},
                                 {"chain", "link/x"}});
  CHECK(normal("link/f", rules) == "real/deep/f");
  CHECK(normal("link/../f", rules) == "real/f");  // leaves the target, not the link
  CHECK(normal("real/up/f", rules) == "other/f");
  CHECK(normal("chain/y", rules) == "real/deep/x/y");
  CHECK(normal("circle", rules).starts_with("refused: the path 'circle' has too many links"));
  CHECK(normal("out/passwd", rules).starts_with("refused"));
  CHECK(normal("abs/passwd", rules).starts_with("refused"));
}

TEST_CASE("keys of one file are the same, whatever it is called") {
  const auto rules = with_links({{"link", "src"}, {"out", "/etc"}});
  const auto key = [&](LockKind kind, const std::string& path) { return *make_key("repo", kind, path, rules); };
  const LockKey plain = key(LockKind::file, "src/a.c");
  for (const char* alias : {"./src/a.c", "src//a.c", "src/../src/a.c", "link/a.c", "src\\a.c", "link/../src/a.c"}) {
    INFO(alias);
    CHECK(key(LockKind::file, alias).same(plain));
    CHECK(key(LockKind::file, alias).overlaps(plain));
  }
  CHECK(key(LockKind::file, "src/").kind == LockKind::directory);
  CHECK(key(LockKind::directory, "link").overlaps(plain));
  CHECK(key(LockKind::directory, ".").overlaps(plain));
  CHECK(key(LockKind::glob, "link/*.c").overlaps(plain));
  CHECK(key(LockKind::glob, "l*/*.c").overlaps(plain));
  CHECK(key(LockKind::glob, "**/*.c").overlaps(plain));
  CHECK_FALSE(key(LockKind::glob, "l*/*.h").overlaps(plain));
  CHECK_FALSE(make_key("repo", LockKind::file, "", rules));
  CHECK_FALSE(make_key("repo", LockKind::file, ".", rules));
  CHECK_FALSE(make_key("repo", LockKind::glob, "../*", rules));
  CHECK_FALSE(make_key("other", LockKind::file, "src/a.c", rules)->overlaps(plain));
  const auto fold = with_links({}, Folding::simple);
  CHECK(make_key("r", LockKind::file, "SRC/A.c", fold)->overlaps(*make_key("r", LockKind::file, "src/a.C", fold)));
}

TEST_CASE("an absolute path belongs to the innermost checkout") {
  const std::vector<Checkout> checkouts = {
      {"app", "/workspace/app"}, {"lib", "/workspace/app/lib"}, {"app", "/workspace/.worktrees/a/app"}};
  CHECK(*in_repository("/workspace/app/x/y", checkouts) == std::pair<std::string, std::string>("app", "x/y"));
  CHECK(*in_repository("/workspace/app/lib/y", checkouts) == std::pair<std::string, std::string>("lib", "y"));
  CHECK(*in_repository("/workspace/.worktrees/a/app/x/y", checkouts) ==
        std::pair<std::string, std::string>("app", "x/y"));
  CHECK_FALSE(in_repository("/workspace/apple", checkouts));
}
