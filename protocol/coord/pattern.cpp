#include "protocol/coord/pattern.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/coord/characters.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::coord {

using detail::Alternative;
using detail::CharRange;
using detail::Place;
using detail::Segment;

namespace {

constexpr std::size_t kMaxPatternBytes = 4096;
constexpr std::size_t kMaxAlternatives = 64;

std::vector<std::string_view> names_of(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) names.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

Alternative literals(std::string_view path, Folding folding) {
  Alternative out;
  for (const std::string_view name : names_of(path)) {
    out.push_back({.kind = Segment::Kind::literal, .text = folded(name, folding), .places = {}});
  }
  return out;
}

/// Whether two lists, in which some elements stand for any number of things, describe a common list of things. One walk
/// over pairs of positions: from (i, j) either side's `any` may end, or both take one thing that suits both.
template <class A, class B, class AnyA, class AnyB, class Suits>
bool lists_meet(const A& a, const B& b, AnyA any_a, AnyB any_b, Suits suits) {
  const std::size_t width = b.size() + 1;
  std::vector<bool> seen((a.size() + 1) * width);
  std::vector<std::pair<std::size_t, std::size_t>> open;
  const auto visit = [&](std::size_t i, std::size_t j) {
    if (seen[i * width + j]) return;
    seen[i * width + j] = true;
    open.emplace_back(i, j);
  };
  visit(0, 0);
  while (!open.empty()) {
    const auto [i, j] = open.back();
    open.pop_back();
    if (i == a.size() && j == b.size()) return true;
    const bool star_a = i < a.size() && any_a(a[i]);
    const bool star_b = j < b.size() && any_b(b[j]);
    if (star_a) visit(i + 1, j);
    if (star_b) visit(i, j + 1);
    if (i == a.size() || j == b.size() || (star_a && star_b)) continue;
    if (star_a || star_b || suits(a[i], b[j])) visit(star_a ? i : i + 1, star_b ? j : j + 1);
  }
  return false;
}

std::vector<Place> places_of(const Segment& segment) {
  if (segment.kind == Segment::Kind::places) return segment.places;
  std::vector<Place> out;
  for (std::size_t at = 0; at < segment.text.size();) {
    const char32_t c = detail::next_character(segment.text, at);
    out.push_back({.star = false, .set = {{c, c}}});
  }
  return out;
}

bool is_star(const Place& place) { return place.star; }
bool is_deep(const Segment& segment) { return segment.kind == Segment::Kind::deep; }

bool names_meet(const Segment& a, const Segment& b) {
  if (a.kind == Segment::Kind::literal && b.kind == Segment::Kind::literal) return a.text == b.text;
  return lists_meet(places_of(a), places_of(b), is_star, is_star,
                    [](const Place& p, const Place& q) { return detail::meet(p.set, q.set); });
}

bool alternatives_meet(const Alternative& a, const Alternative& b) {
  // Most locks are single files: the first name that differs settles it.
  if (!a.empty() && !b.empty() && a.front().kind == Segment::Kind::literal &&
      b.front().kind == Segment::Kind::literal && a.front().text != b.front().text) {
    return false;
  }
  return lists_meet(a, b, is_deep, is_deep, names_meet);
}

/// "a{b,c}d" to "abd", "acd"; braces in brackets are characters.
Result<std::vector<std::string>> without_braces(std::string_view text) {
  std::vector<std::string> done;
  std::vector<std::string> open{std::string(text)};
  while (!open.empty()) {
    if (done.size() + open.size() > kMaxAlternatives) {
      return fail(Code::invalid_argument,
                  fmt::format("'{}' has more than {} alternatives; use several locks", shown(text), kMaxAlternatives));
    }
    const std::string one = std::move(open.back());
    open.pop_back();
    std::size_t start = std::string::npos;
    std::size_t end = std::string::npos;
    std::vector<std::size_t> cuts;
    int depth = 0;
    for (std::size_t i = 0; i < one.size() && end == std::string::npos; ++i) {
      if (one[i] == '[') {
        // The first character of a class may be a bracket, also after its negation.
        std::size_t from = i + 1;
        if (from < one.size() && (one[from] == '!' || one[from] == '^')) ++from;
        const std::size_t close = one.find(']', from + 1);
        if (close != std::string::npos) i = close;
      } else if (one[i] == '{') {
        if (depth++ == 0) start = i;
      } else if (one[i] == ',' && depth == 1) {
        cuts.push_back(i);
      } else if (one[i] == '}') {
        if (--depth < 0) return fail(Code::invalid_argument, fmt::format("'{}' closes a brace too many", shown(text)));
        if (depth == 0) end = i;
      }
    }
    if (start == std::string::npos) {
      done.push_back(one);
      continue;
    }
    if (end == std::string::npos) {
      return fail(Code::invalid_argument, fmt::format("'{}' has an open brace without its end", shown(text)));
    }
    cuts.push_back(end);
    std::size_t from = start + 1;
    for (const std::size_t cut : cuts) {
      open.push_back(one.substr(0, start) + one.substr(from, cut - from) + one.substr(end + 1));
      from = cut + 1;
    }
  }
  std::ranges::sort(done);
  const auto repeated = std::ranges::unique(done);
  done.erase(repeated.begin(), repeated.end());
  return done;
}

/// A class from behind its '[' on; `at` moves behind its ']'.
Result<Place> read_class(std::string_view name, std::size_t& at, Folding folding) {
  const bool negated = at < name.size() && (name[at] == '!' || name[at] == '^');
  if (negated) ++at;
  std::vector<CharRange> ranges;
  for (bool first = true; at < name.size() && (first || name[at] != ']'); first = false) {
    const char32_t low = detail::next_character(name, at);
    char32_t high = low;
    if (at + 1 < name.size() && name[at] == '-' && name[at + 1] != ']') {
      ++at;
      high = detail::next_character(name, at);
    }
    if (high < low) return fail(Code::invalid_argument, fmt::format("a range in '{}' runs backwards", shown(name)));
    ranges.push_back({low, high});
  }
  if (at >= name.size())
    return fail(Code::invalid_argument, fmt::format("'{}' has a '[' without its ']'", shown(name)));
  ++at;
  ranges = detail::joined(std::move(ranges));
  if (folding == Folding::simple) ranges = detail::folded_set(ranges);
  if (negated) ranges = detail::inverted(ranges);
  if (ranges.empty()) return fail(Code::invalid_argument, fmt::format("a class in '{}' is empty", shown(name)));
  return Place{.star = false, .set = std::move(ranges)};
}

Result<Segment> read_segment(std::string_view name, Folding folding) {
  if (name == "**") return Segment{.kind = Segment::Kind::deep, .text = {}, .places = {}};
  if (name == "..")
    return fail(Code::invalid_argument, "'..' cannot stand in or after a glob; write the path without it");
  if (name.find_first_of("*?[") == std::string_view::npos) {
    return Segment{.kind = Segment::Kind::literal, .text = folded(name, folding), .places = {}};
  }
  Segment out{.kind = Segment::Kind::places, .text = {}, .places = {}};
  for (std::size_t at = 0; at < name.size();) {
    const char32_t c = detail::next_character(name, at);
    if (c == '*') {
      if (out.places.empty() || !out.places.back().star) out.places.push_back({.star = true, .set = {}});
    } else if (c == '?') {
      out.places.push_back({.star = false, .set = {{0, detail::kHighest}}});
    } else if (c == '[') {
      Result<Place> place = read_class(name, at, folding);
      if (!place) return fail(place.error());
      out.places.push_back(std::move(*place));
    } else {
      const char32_t plain = folding == Folding::simple ? detail::fold(c) : c;
      out.places.push_back({.star = false, .set = {{plain, plain}}});
    }
  }
  return out;
}

/// Where in `a` one can be after the names of `path`.
std::vector<std::size_t> positions_after(const Alternative& a, const Alternative& path) {
  std::vector<bool> now(a.size() + 1);
  const auto close = [&a](std::vector<bool>& set) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (set[i] && is_deep(a[i])) set[i + 1] = true;
    }
  };
  now[0] = true;
  close(now);
  for (const Segment& name : path) {
    std::vector<bool> next(a.size() + 1);
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (!now[i]) continue;
      if (is_deep(a[i])) next[i] = true;
      if (!is_deep(a[i]) && names_meet(a[i], name)) next[i + 1] = true;
    }
    close(next);
    now = std::move(next);
  }
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i <= a.size(); ++i) {
    if (now[i]) out.push_back(i);
  }
  return out;
}

}  // namespace

std::string folded(std::string_view text, Folding folding) {
  if (folding == Folding::none) return std::string(text);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    detail::append_character(out, detail::fold(detail::next_character(text, at)));
  }
  return out;
}

Pattern Pattern::file(std::string_view path, Folding folding) {
  Pattern out;
  out.folding_ = folding;
  out.alternatives_.push_back(literals(path, folding));
  return out;
}

Pattern Pattern::below(std::string_view path, Folding folding) {
  Pattern out = file(path, folding);
  out.alternatives_.front().push_back({.kind = Segment::Kind::deep, .text = {}, .places = {}});
  return out;
}

Result<Pattern> Pattern::glob(std::string_view text, Folding folding) {
  if (text.size() > kMaxPatternBytes) {
    return fail(Code::invalid_argument,
                fmt::format("a glob of {} bytes; the limit is {}", text.size(), kMaxPatternBytes));
  }
  if (text.find('\\') != std::string_view::npos) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' has a backslash; names are separated by '/', and [*] quotes a '*'", shown(text)));
  }
  Result<std::vector<std::string>> parts = without_braces(text);
  if (!parts) return fail(parts.error());
  Pattern out;
  out.folding_ = folding;
  for (const std::string& part : *parts) {
    Alternative alternative;
    // A '/' in a class never matches, as in every shell; the class would be cut in two and found unclosed.
    for (const std::string_view name : names_of(part)) {
      if (name == ".") continue;
      Result<Segment> segment = read_segment(name, folding);
      if (!segment) return fail(segment.error());
      const bool repeated = is_deep(*segment) && !alternative.empty() && is_deep(alternative.back());
      if (!repeated) alternative.push_back(std::move(*segment));
    }
    out.alternatives_.push_back(std::move(alternative));
  }
  return out;
}

bool Pattern::matches(std::string_view path) const {
  const Alternative names = literals(path, folding_);
  return std::ranges::any_of(alternatives_, [&](const Alternative& a) { return alternatives_meet(a, names); });
}

bool Pattern::overlaps(const Pattern& other) const {
  return std::ranges::any_of(alternatives_, [&](const Alternative& a) {
    return std::ranges::any_of(other.alternatives_, [&](const Alternative& b) { return alternatives_meet(a, b); });
  });
}

bool Pattern::covers(const Pattern& other) const {
  const auto literal = [](const Segment& s) { return s.kind == Segment::Kind::literal; };
  const auto covered = [&](const Alternative& b) {
    return std::ranges::any_of(alternatives_, [&](const Alternative& a) {
      if (a == b) return true;
      if (std::ranges::all_of(b, literal)) return alternatives_meet(a, b);
      // A whole directory holds everything that begins with its path.
      if (a.empty() || !is_deep(a.back()) || b.size() < a.size() - 1) return false;
      return std::equal(a.begin(), a.end() - 1, b.begin(),
                        [&](const Segment& x, const Segment& y) { return literal(x) && x == y; });
    });
  };
  return std::ranges::all_of(other.alternatives_, covered);
}

std::vector<Beginning> Pattern::beginnings() const {
  std::vector<Beginning> out;
  out.reserve(alternatives_.size());
  for (const Alternative& alternative : alternatives_) {
    Beginning beginning{.names = {}, .whole = true};
    for (const Segment& segment : alternative) {
      if (segment.kind != Segment::Kind::literal) {
        beginning.whole = false;
        break;
      }
      beginning.names += '/';
      beginning.names += segment.text;
    }
    out.push_back(std::move(beginning));
  }
  return out;
}

bool Pattern::follow(std::string_view link, std::string_view target) {
  const Alternative from = literals(link, folding_);
  const Alternative to = literals(target, folding_);
  std::vector<Alternative> added;
  for (const Alternative& alternative : alternatives_) {
    for (const std::size_t position : positions_after(alternative, from)) {
      Alternative through = to;
      through.insert(through.end(), alternative.begin() + static_cast<std::ptrdiff_t>(position), alternative.end());
      if (std::ranges::find(alternatives_, through) == alternatives_.end() &&
          std::ranges::find(added, through) == added.end() &&
          alternatives_.size() + added.size() < kMaxAlternativesWithLinks) {
        added.push_back(std::move(through));
      }
    }
  }
  alternatives_.insert(alternatives_.end(), added.begin(), added.end());
  return !added.empty();
}

}  // namespace swarm::coord
