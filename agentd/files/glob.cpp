#include "agentd/files/glob.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "protocol/core/utf8.hpp"

namespace swarm::agentd::files {
namespace {

constexpr std::size_t kMaxAlternatives = 256;

/// How many bytes the first character of `text` has.
std::size_t character(std::string_view text) {
  for (std::size_t size = 2; size <= std::min<std::size_t>(4, text.size()); ++size) {
    if (static_cast<unsigned char>(text[0]) >= 0x80 && is_utf8(text.substr(0, size))) return size;
  }
  return 1;
}

/// Characters compare as their bytes do: UTF-8 keeps the order of code points.
struct Choice {
  bool matched;
  std::size_t size;  ///< of the `[...]`; 0 when it is not closed and means itself
};

Choice choose(std::string_view pattern, std::string_view one) {
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  bool matched = false;
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return {.matched = matched != negated, .size = at + 1};
    const auto next = [&] {
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      const std::string_view c = pattern.substr(at, character(pattern.substr(at)));
      at += c.size();
      return c;
    };
    const std::string_view low = next();
    std::string_view high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      ++at;
      high = next();
    }
    matched = matched || (one.size() == low.size() && low <= one && one <= high) ||
              (low.size() != high.size() && low <= one && one <= high);
  }
  return {.matched = false, .size = 0};
}

/// The byte behind the brace that closes the one at `open`; nothing when there is none.
std::optional<std::size_t> closing(std::string_view pattern, std::size_t open) {
  int depth = 0;
  for (std::size_t at = open; at < pattern.size(); ++at) {
    if (pattern[at] == '\\') {
      ++at;
    } else if (pattern[at] == '{') {
      ++depth;
    } else if (pattern[at] == '}' && --depth == 0) {
      return at;
    }
  }
  return std::nullopt;
}

Result<void> expand(std::string_view pattern, std::vector<std::string>& out) {
  std::size_t open = 0;
  while (open < pattern.size() && pattern[open] != '{') open += pattern[open] == '\\' ? 2 : 1;
  if (open >= pattern.size()) {
    if (out.size() == kMaxAlternatives) {
      return fail(Code::invalid_argument, fmt::format("the pattern has more than {} alternatives", kMaxAlternatives));
    }
    out.emplace_back(pattern);
    return {};
  }
  const std::optional<std::size_t> close = closing(pattern, open);
  if (!close)
    return fail(Code::invalid_argument, fmt::format("the pattern '{}' has a '{{' that is not closed", shown(pattern)));
  const std::string_view before = pattern.substr(0, open);
  const std::string_view behind = pattern.substr(*close + 1);
  int depth = 0;
  std::size_t begin = open + 1;
  for (std::size_t at = open + 1; at <= *close; ++at) {
    const bool end = at == *close || (pattern[at] == ',' && depth == 0);
    if (end) {
      const Result<void> done = expand(fmt::format("{}{}{}", before, pattern.substr(begin, at - begin), behind), out);
      if (!done) return done;
      begin = at + 1;
    } else if (pattern[at] == '\\') {
      ++at;
    } else if (pattern[at] == '{') {
      ++depth;
    } else if (pattern[at] == '}') {
      --depth;
    }
  }
  return {};
}

}  // namespace

bool match_name(std::string_view pattern, std::string_view name) {
  if (name.starts_with('.') && !pattern.starts_with('.') && !pattern.starts_with("\\.")) return false;
  // On a mismatch only the last star can take more, so the time is at most the product of both lengths.
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
      continue;
    }
    const std::size_t size = character(name.substr(n));
    const std::string_view one = name.substr(n, size);
    bool matched = false;
    std::size_t used = 1;
    if (p < pattern.size()) {
      const Choice choice = pattern[p] == '[' ? choose(pattern.substr(p), one) : Choice{.matched = false, .size = 0};
      if (choice.size > 0) {
        matched = choice.matched;
        used = choice.size;
      } else if (pattern[p] == '?') {
        matched = true;
      } else {
        const std::size_t escape = pattern[p] == '\\' && p + 1 < pattern.size() ? 1 : 0;
        matched = pattern.substr(p + escape, size) == one;
        used = escape + size;
      }
    }
    if (matched) {
      p += used;
      n += size;
    } else if (star != std::string_view::npos) {
      star_name += character(name.substr(star_name));
      p = star + 1;
      n = star_name;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<Glob> Glob::parse(std::string_view pattern) {
  if (pattern.starts_with('/')) {
    return fail(Code::invalid_argument,
                fmt::format("the pattern '{}' is absolute; give where to begin as 'path'", shown(pattern)));
  }
  std::vector<std::string> texts;
  const Result<void> expanded = expand(pattern, texts);
  if (!expanded) return fail(expanded.error());
  Glob glob;
  for (std::string_view text : texts) {
    Alternative alternative{.names = {}, .directories_only = text.ends_with('/')};
    while (!text.empty()) {
      const std::size_t slash = text.find('/');
      const std::string_view name = text.substr(0, slash);
      text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
      if (name.empty() || name == ".") continue;
      if (name == "..")
        return fail(Code::invalid_argument, fmt::format("the pattern '{}' climbs with '..'", shown(pattern)));
      if (name == "**" && !alternative.names.empty() && alternative.names.back() == "**") continue;
      alternative.names.emplace_back(name);
    }
    if (!alternative.names.empty()) glob.alternatives_.push_back(std::move(alternative));
  }
  if (glob.alternatives_.empty()) return fail(Code::invalid_argument, "the pattern names nothing");
  return glob;
}

void Glob::add_closed(Positions& to, Position position) const {
  if (std::ranges::find(to, position) != to.end()) return;
  to.push_back(position);
  const std::vector<std::string>& names = alternatives_[position.alternative].names;
  // Any number of directories may be none.
  if (names[position.name] == "**" && position.name + 1 < names.size()) {
    add_closed(to, {.alternative = position.alternative, .name = position.name + 1});
  }
}

Glob::Positions Glob::start() const {
  Positions out;
  for (std::size_t i = 0; i < alternatives_.size(); ++i) add_closed(out, {.alternative = i, .name = 0});
  return out;
}

Glob::Step Glob::step(const Positions& at, std::string_view name, bool directory) const {
  Step out;
  for (const Position& position : at) {
    const Alternative& alternative = alternatives_[position.alternative];
    const bool last = position.name + 1 == alternative.names.size();
    const bool wanted = directory || !alternative.directories_only;
    const std::string& pattern = alternative.names[position.name];
    if (pattern == "**") {
      if (name.starts_with('.')) continue;
      if (last && wanted) out.matched = true;
      if (directory) add_closed(out.inside, position);
    } else if (match_name(pattern, name)) {
      if (last) {
        out.matched = out.matched || wanted;
      } else if (directory) {
        add_closed(out.inside, {.alternative = position.alternative, .name = position.name + 1});
      }
    }
  }
  return out;
}

bool Glob::matches(std::string_view path, bool directory) const {
  Positions at = start();
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const bool last = slash == std::string_view::npos;
    Step next = step(at, path.substr(0, slash), !last || directory);
    if (last) return next.matched;
    path.remove_prefix(slash + 1);
    at = std::move(next.inside);
  }
  return false;
}

}  // namespace swarm::agentd::files
