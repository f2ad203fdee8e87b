#pragma once
// Directories by descriptor: names are looked up one at a time and links are never followed, so that whoever changes
// the tree meanwhile cannot lead us out of it. All of it blocks; run it on the thread pool.

#include <dirent.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/deleter.hpp"
#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::tree {

/// Opens the directory `name` in `parent` for reading; `failed_precondition` when a link or something else is there.
Result<UniqueFd> open_directory(int parent, const std::string& name);

/// Opens the directory that `names` lead to from `root` (which may be AT_FDCWD only with names), one step after the
/// other. Without names, a second descriptor of `root`.
Result<UniqueFd> open_beneath(int root, std::span<const std::string_view> names);

/// Reads one directory's names, without "." and "..", in the order of the file system.
class DirectoryReader {
 public:
  /// Takes an open directory.
  static Result<DirectoryReader> over(UniqueFd directory);

  struct Name {
    std::string_view name;  ///< until the next call
    unsigned char type;     ///< DT_...; never DT_UNKNOWN
  };

  /// The next name; nothing at the end.
  Result<std::optional<Name>> next();

  /// Begins again with what is there now.
  void rewind();

  [[nodiscard]] int fd() const;

 private:
  explicit DirectoryReader(DIR* stream) : stream_(stream) {}
  CPtr<DIR, closedir> stream_;
};

/// Walks a tree, parents before children, without following links. One descriptor is held for each level.
class Walker {
 public:
  /// Takes the root directory. Deeper than `max_depth` is not entered.
  static Result<Walker> over(UniqueFd root, std::size_t max_depth);

  struct Found {
    int parent;             ///< the directory it is in; until the next call
    std::string_view name;  ///< its name there
    std::string_view path;  ///< relative to the root
    unsigned char type;     ///< DT_...; never DT_UNKNOWN
  };

  /// The next thing; nothing at the end. A directory that vanishes while it is read is left silently.
  Result<std::optional<Found>> next();

  /// Goes into the directory that `next` gave last. False when it has gone or become something else meanwhile;
  /// `resource_exhausted` when it is too deep.
  Result<bool> enter();

  [[nodiscard]] std::size_t depth() const { return levels_.size(); }

 private:
  struct Level {
    DirectoryReader reader;
    std::size_t path_size;
  };
  explicit Walker(std::size_t max_depth) : max_depth_(max_depth) {}

  std::size_t max_depth_;
  std::vector<Level> levels_;
  std::string path_;
  std::string name_;
};

}  // namespace swarm::tree
