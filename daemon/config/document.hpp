#pragma once
// A parsed TOML file as a tree that knows where each piece stands. This is the only part of the configuration that
// knows the TOML library.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace swarm::config {

inline constexpr std::size_t kMaxFileBytes = 1U << 20U;
/// Tables and arrays inside each other; more is not a configuration but an attack or an accident.
inline constexpr std::size_t kMaxDepth = 10;

/// Counted from 1, columns in characters; 0 where there is none (environment, flags).
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool operator==(const Position&) const = default;
};

struct Member;

/// One value of the file. `Date` stands for TOML's four kinds of dates, which no setting takes.
struct Node {
  struct Date {};
  using Array = std::vector<Node>;
  using Table = std::vector<Member>;
  std::variant<bool, std::int64_t, double, std::string, Array, Table, Date> value;
  Position at;

  /// What came, for an error: `the integer 300`, `"fast"` (escaped, cut after 40 characters), `a table`.
  [[nodiscard]] std::string describe() const;
  /// The same without any content: `a string`. For values that may be secret.
  [[nodiscard]] std::string describe_kind() const;
};

/// One `key = value`.
struct Member {
  std::string key;
  Position at;
  Node value;
};

/// The tree, or where and why the text is not one.
struct Document {
  Node::Table root;
  struct Mistake {
    Position at;
    std::string message;
  };
  std::optional<Mistake> mistake;
};

/// Parses `text`. Refuses invalid UTF-8, syntax errors, more than `kMaxFileBytes` and more than `kMaxDepth` levels, the
/// last before the parser recurses into them.
[[nodiscard]] Document parse_document(std::string_view text);

}  // namespace swarm::config
