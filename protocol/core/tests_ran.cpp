#include "protocol/core/tests_ran.hpp"

#include <array>
#include <charconv>

namespace swarm {
namespace {

constexpr std::string_view kDecimal = "0123456789";

std::optional<std::uint64_t> number_at(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

/// The number right behind `mark` in the line.
std::optional<std::uint64_t> after(std::string_view line, std::string_view mark) {
  const std::size_t at = line.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  return number_at(line.substr(at + mark.size()));
}

/// The number right before `mark` in the line ("12 passed").
std::optional<std::uint64_t> before(std::string_view line, std::string_view mark) {
  const std::size_t at = line.find(mark);
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  const std::string_view head = line.substr(0, at);
  const std::size_t start = head.find_last_not_of(kDecimal);
  return number_at(start == std::string_view::npos ? head : head.substr(start + 1));
}

/// Colours that runners write even where nobody looks.
std::string without_colours(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
      i += 2;
      while (i < text.size() && (text[i] < '@' || text[i] > '~')) ++i;
      continue;
    }
    if (text[i] != '\r') out += text[i];
  }
  return out;
}

/// What one line of a summary says.
std::optional<std::uint64_t> in_line(std::string_view line) {
  // pytest: "== 3 passed, 1 failed in 0.1s ==", "no tests ran in 0.01s"
  const bool timed = line.find(" in ") != std::string_view::npos && line.ends_with('=');
  if (timed || line.find("no tests ran in") != std::string_view::npos) {
    std::uint64_t sum = 0;
    bool any = line.find("no tests ran") != std::string_view::npos ||
               line.find("no tests collected") != std::string_view::npos;
    for (const std::string_view word : {" passed", " failed", " error", " xfailed", " xpassed"}) {
      if (const auto count = before(line, word)) {
        sum += *count;
        any = true;
      }
    }
    if (any) return sum;
  }
  // unittest: "Ran 0 tests in 0.000s"
  if (line.starts_with("Ran ") && line.find(" test") != std::string_view::npos) return after(line, "Ran ");
  // cargo: "test result: ok. 3 passed; 0 failed; ..."
  if (line.starts_with("test result:"))
    return before(line, " passed").value_or(0) + before(line, " failed").value_or(0);
  // go: "ok  pkg 0.1s", "?  pkg [no test files]", "ok pkg 0.1s [no tests to run]"
  if (line.find("[no test files]") != std::string_view::npos ||
      line.find("[no tests to run]") != std::string_view::npos) {
    return 0;
  }
  if (line.starts_with("ok  \t") || line.starts_with("FAIL\t")) return 1;
  // ctest: "100% tests passed, 0 tests failed out of 12", "No tests were found!!!"
  if (const auto count = after(line, "tests failed out of ")) return count;
  if (line.find("No tests were found") != std::string_view::npos) return 0;
  // Catch2: "All tests passed (3 assertions in 2 test cases)", "test cases: 5 | ...", "No tests ran"
  if (line.starts_with("All tests passed (")) return before(line, " test case");
  if (line.starts_with("test cases:"))
    return number_at(line.substr(std::min(line.size(), line.find_first_of(kDecimal))));
  if (line.starts_with("No tests ran")) return 0;
  // GoogleTest: "[==========] 12 tests from 3 test suites ran."
  if (line.starts_with("[==========]") && line.find(" ran.") != std::string_view::npos) return before(line, " test");
  // jest: "Tests:       1 failed, 3 total"
  if (line.starts_with("Tests:") && line.find(" total") != std::string_view::npos) return before(line, " total");
  if (line.starts_with("No tests found")) return 0;
  // mocha: "  3 passing (4ms)"
  const std::size_t start = line.find_first_not_of(' ');
  if (start != std::string_view::npos && start >= 2 &&
      (line.find(" passing (") != std::string_view::npos || line.ends_with(" failing"))) {
    return number_at(line.substr(start));
  }
  // TAP: "1..4"
  if (line.starts_with("1..") && line.size() > 3 && line.find_first_not_of(kDecimal, 3) == std::string_view::npos) {
    return after(line, "1..");
  }
  // JUnit: "<testsuite ... tests="3" ...>"
  if (line.find("<testsuite ") != std::string_view::npos) return after(line, "tests=\"");
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> tests_ran(std::string_view output) {
  const std::string text = without_colours(output);
  std::optional<std::uint64_t> sum;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (const auto count = in_line(std::string_view(text).substr(at, end - at))) sum = sum.value_or(0) + *count;
    at = end + 1;
  }
  return sum;
}

}  // namespace swarm
