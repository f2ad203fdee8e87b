#pragma once
// Sets of paths in a repository, and whether two of them meet. A file is one path, a directory is a path and all below
// it, a glob is what its wildcards say; all three are patterns, and `overlaps` computes the intersection, so that
// "src/*.cpp" and "src/main.*" meet while "src/*.cpp" and "src/*.hpp" do not.
//
// A pattern is a list of alternatives (braces, links), an alternative is a list of segments, a segment is literal,
// `**` (any number of names, none included) or a list of places: a set of characters, or `*` (any number of any).

#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::coord {

/// Whether names that differ in case alone are one name, as on some file systems.
enum class Folding {
  none,
  simple,  ///< ASCII, Latin, Greek and Cyrillic letters
};

/// `text` with its letters in the form in which folded names are compared.
std::string folded(std::string_view text, Folding folding);

namespace detail {

/// Code points from `low` to `high`, both included. A byte that is not UTF-8 counts as 0x110000 + the byte.
struct CharRange {
  char32_t low = 0;
  char32_t high = 0;
  bool operator==(const CharRange&) const = default;
};

/// One place of a name: a `*`, or one character out of sorted, disjoint ranges.
struct Place {
  bool star = false;
  std::vector<CharRange> set;
  bool operator==(const Place&) const = default;
};

/// One name of a path.
struct Segment {
  enum class Kind { literal, places, deep };
  Kind kind = Kind::literal;
  std::string text;           ///< literal
  std::vector<Place> places;  ///< places
  bool operator==(const Segment&) const = default;
};

using Alternative = std::vector<Segment>;

}  // namespace detail

/// `Pattern::follow` adds nothing beyond: a repository full of links must not make every comparison slow.
constexpr std::size_t kMaxAlternativesWithLinks = 256;

/// Where paths of a set begin.
struct Beginning {
  std::string names;   ///< literal, each with a slash in front
  bool whole = false;  ///< nothing follows them
};

/// A set of paths. Paths are normalised: no empty, "." or ".." names, no leading slash; the root is "". Copyable.
class Pattern {
 public:
  /// The path itself.
  static Pattern file(std::string_view path, Folding folding = Folding::none);
  /// The path and everything below it; "" is everything.
  static Pattern below(std::string_view path, Folding folding = Folding::none);
  /// `*` and `?` within a name, `**` for any number of names, `[a-z]`, `[!a]`, `[^a]`, `{a,b}` also nested. A dot at
  /// the start of a name is a character like others. `invalid_argument`: unclosed brackets or braces, a backslash
  /// (quote with `[x]`), "..", more than 64 alternatives, more than 4,096 bytes.
  static Result<Pattern> glob(std::string_view text, Folding folding = Folding::none);

  [[nodiscard]] bool matches(std::string_view path) const;
  /// True exactly if some path is in both sets.
  [[nodiscard]] bool overlaps(const Pattern& other) const;
  /// True only if every path of `other` is in this set; may miss it for unusual globs.
  [[nodiscard]] bool covers(const Pattern& other) const;

  /// Adds the paths that are reached through a link: where this set holds `link` + rest, also `target` + rest. False
  /// when nothing was added.
  bool follow(std::string_view link, std::string_view target);
  [[nodiscard]] std::size_t alternatives() const { return alternatives_.size(); }

  /// The literal names before the first wildcard, of each alternative. Two sets only meet where the names of one begin
  /// those of the other.
  [[nodiscard]] std::vector<Beginning> beginnings() const;

 private:
  std::vector<detail::Alternative> alternatives_;
  Folding folding_ = Folding::none;
};

}  // namespace swarm::coord
