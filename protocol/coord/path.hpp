#pragma once
// From what a caller calls a path to the one name that it has in the repository, the same in every worktree. What is
// not the same name after this is not the same file: "..", "." and double slashes are resolved, links followed through
// a callback, letters folded where the file system folds them; what leaves the repository is refused.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/coord/pattern.hpp"
#include "protocol/core/error.hpp"

namespace swarm::coord {

/// The symbolic links of a repository. Paths are relative to its root, in real names.
struct Links {
  /// Where the link at this path points, as readlink(2) says; nothing when it is no link or does not exist. An absolute
  /// target is refused as leaving the repository, so one that points back into it is to be given relative to the link.
  std::function<std::optional<std::string>(const std::string& path)> target;
  /// The paths of all links, for globs. Optional.
  std::function<std::vector<std::string>()> all;
};

/// How paths of a repository are read.
struct PathRules {
  Folding folding = Folding::none;
  Links links{};
};

/// What a lock is on.
enum class LockKind {
  file,       ///< one path
  directory,  ///< a path and everything below
  glob,       ///< what a pattern matches
};

/// "file", "directory", "glob".
std::string_view kind_name(LockKind kind);

/// What is locked: repository, normalised text and the set of paths that it stands for.
struct LockKey {
  std::string repository;
  LockKind kind = LockKind::file;
  std::string path;  ///< normalised; folded where the file system folds; "" is the root
  Pattern pattern;

  [[nodiscard]] bool same(const LockKey& other) const {
    return kind == other.kind && path == other.path && repository == other.repository;
  }
  [[nodiscard]] bool overlaps(const LockKey& other) const {
    return repository == other.repository && pattern.overlaps(other.pattern);
  }
};

/// The path's one name. `invalid_argument` for one that is absolute, leaves the repository (by "..", encoded as %2e or
/// with a backslash too, or through a link), holds control characters or is longer than 4,096 bytes.
Result<std::string> normalise(std::string_view path, const PathRules& rules);

/// Reads what a caller wants to lock. A `file` that ends in a slash is a directory.
Result<LockKey> make_key(std::string_view repository, LockKind kind, std::string_view path, const PathRules& rules);

/// The key of a lease that was normalised and recorded before.
Result<LockKey> recorded_key(std::string repository, LockKind kind, std::string path, const PathRules& rules);

/// A directory in which a repository is checked out.
struct Checkout {
  std::string repository;
  std::string directory;  ///< absolute, without a slash at its end
};

/// An absolute path as (repository, path in it): the checkout with the longest directory that holds it. `not_found`
/// where none does.
Result<std::pair<std::string, std::string>> in_repository(std::string_view absolute,
                                                          std::span<const Checkout> checkouts);

}  // namespace swarm::coord
