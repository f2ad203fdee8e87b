#include "agentd/panes/recogniser.hpp"

#include <fmt/format.h>
#include <regex.h>

#include <array>

namespace swarm::agentd::panes {

/// regex(3): no backtracking that a hostile line could make endless. Bytes; a letter beyond ASCII matches as its bytes.
struct Recogniser::Pattern {
  regex_t compiled{};
  bool valid = false;

  static Result<std::unique_ptr<Pattern>> make(const std::string& text, const std::string& where) {
    auto pattern = std::make_unique<Pattern>();
    const int problem = regcomp(&pattern->compiled, text.c_str(), REG_EXTENDED);
    if (problem != 0) {
      std::array<char, 200> words{};
      regerror(problem, &pattern->compiled, words.data(), words.size());
      return fail(Code::invalid_argument,
                  fmt::format("{}: '{}' is no extended regular expression: {}", where, text, words.data()));
    }
    pattern->valid = true;
    return pattern;
  }
  Pattern() = default;
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  ~Pattern() {
    if (valid) regfree(&compiled);
  }

  [[nodiscard]] bool matches(const std::string& line) const {
    return regexec(&compiled, line.c_str(), 0, nullptr, 0) == 0;
  }
  /// The first group; empty where it took no part.
  [[nodiscard]] std::optional<std::string> group(const std::string& line) const {
    std::array<regmatch_t, 2> parts{};
    if (regexec(&compiled, line.c_str(), parts.size(), parts.data(), 0) != 0) return std::nullopt;
    if (parts[1].rm_so < 0) return std::string();
    return line.substr(static_cast<std::size_t>(parts[1].rm_so),
                       static_cast<std::size_t>(parts[1].rm_eo - parts[1].rm_so));
  }
};

struct Recogniser::Rule {
  api::PaneState state = api::PaneState::unknown;
  std::uint32_t bottom_lines = 0;
  std::unique_ptr<Pattern> pattern;
};

namespace {

std::string trimmed(std::string text) {
  // A no-break space is a blank too: some programs put one behind their prompt sign.
  for (std::size_t at = text.find("\xc2\xa0"); at != std::string::npos; at = text.find("\xc2\xa0", at)) {
    text.replace(at, 2, " ");
  }
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

Recogniser::Recogniser(const api::PaneProgram& program)
    : faint_is_empty_(program.faint_is_empty), otherwise_(program.otherwise) {}
Recogniser::~Recogniser() = default;

Result<std::unique_ptr<Recogniser>> Recogniser::make(const api::PaneProgram& program) {
  auto made = std::unique_ptr<Recogniser>(new Recogniser(program));  // NOLINT: the constructor is private
  for (const api::PaneRule& rule : program.rules) {
    auto pattern = Pattern::make(rule.pattern, "program.rules");
    if (!pattern) return fail(pattern.error());
    made->rules_.push_back({.state = rule.state, .bottom_lines = rule.bottom_lines, .pattern = std::move(*pattern)});
  }
  if (!program.composer.empty()) {
    auto pattern = Pattern::make(program.composer, "program.composer");
    if (!pattern) return fail(pattern.error());
    made->composer_ = std::move(*pattern);
  }
  if (!program.composer_end.empty()) {
    auto pattern = Pattern::make(program.composer_end, "program.composer_end");
    if (!pattern) return fail(pattern.error());
    made->composer_end_ = std::move(*pattern);
  }
  return made;
}

api::PaneState Recogniser::state(const std::vector<ScreenLine>& screen) const {
  std::vector<const std::string*> lines;
  for (auto line = screen.rbegin(); line != screen.rend(); ++line) {
    if (!line->text.empty()) lines.push_back(&line->text);
  }
  for (const Rule& rule : rules_) {
    const std::size_t count =
        rule.bottom_lines == 0 ? lines.size() : std::min<std::size_t>(rule.bottom_lines, lines.size());
    for (std::size_t i = 0; i < count; ++i) {
      if (rule.pattern->matches(*lines[i])) return rule.state;
    }
  }
  if (const std::optional<Composer> there = composer(screen)) {
    return there->typed.empty() ? api::PaneState::ready : api::PaneState::typing;
  }
  return otherwise_;
}

std::optional<Composer> Recogniser::composer(const std::vector<ScreenLine>& screen) const {
  if (composer_ == nullptr) return std::nullopt;
  for (std::size_t row = screen.size(); row-- > 0;) {
    if (!composer_->matches(screen[row].text)) continue;
    const std::string& line = faint_is_empty_ ? screen[row].visible : screen[row].text;
    // The sign itself may be faint: then nothing else is there.
    Composer found{.row = row, .typed = trimmed(composer_->group(line).value_or(""))};
    std::size_t end = row + 1;
    while (composer_end_ != nullptr && end < screen.size() && !composer_end_->matches(screen[end].text)) ++end;
    if (end == screen.size()) end = row + 1;  // no end is drawn: one line it is
    for (std::size_t below = row + 1; below < end; ++below) {
      const std::string more = trimmed(faint_is_empty_ ? screen[below].visible : screen[below].text);
      if (!more.empty()) found.typed += (found.typed.empty() ? "" : "\n") + more;
    }
    return found;
  }
  return std::nullopt;
}

}  // namespace swarm::agentd::panes
