#include "daemon/swarm/test_command.hpp"

#include <algorithm>
#include <sstream>

namespace swarm::swarms {
namespace {

bool has_line(const std::string& text, std::string_view begins) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(begins)) return true;
  }
  return false;
}

bool contains(const std::optional<std::string>& text, std::string_view word) {
  return text && text->find(word) != std::string::npos;
}

}  // namespace

std::string guess_test_command(const std::vector<std::string>& names,
                               const std::function<std::optional<std::string>(const std::string& path)>& read) {
  const auto has = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  // A Makefile's own word comes first: whoever wrote it has said how the project is tested.
  for (const char* makefile : {"Makefile", "makefile", "GNUmakefile"}) {
    if (!has(makefile)) continue;
    const std::string text = read(makefile).value_or("");
    if (has_line(text, "test:")) return "make test";
    if (has_line(text, "check:")) return "make check";
  }
  if (has("package.json") && contains(read("package.json"), "\"test\"")) return "npm test";
  if (has("Cargo.toml")) return "cargo test";
  if (has("go.mod")) return "go test ./...";
  const bool pytest =
      has("pytest.ini") || has("conftest.py") || (has("pyproject.toml") && contains(read("pyproject.toml"), "pytest"));
  if (pytest) return "python3 -m pytest -q";
  if (has("tests") && read("tests/__init__.py")) return "python3 -B -m unittest discover -s tests -t .";
  return {};
}

}  // namespace swarm::swarms
