#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "agentd/files/operations.hpp"
#include "agentd/files/place.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/tree/directory.hpp"

namespace swarm::agentd::files {
namespace {

/// Deeper directories are first moved up to the top, so that no depth needs more descriptors.
constexpr std::size_t kMaxLevels = 100;

/// Removes what is in a directory, by descriptors: a directory that somebody swaps for a link is not followed, it is
/// then just a link that is removed.
class Remover {
 public:
  Remover(tree::DirectoryReader top, std::stop_token stop, std::uint64_t& removed)
      : stop_(std::move(stop)), removed_(removed) {
    levels_.push_back({.reader = std::move(top), .name = "", .removed_at_rewind = 0});
  }

  Result<void> run() {
    for (;;) {
      if (stop_.stop_requested()) return stopped();
      Level& level = levels_.back();
      const auto found = level.reader.next();
      if (!found) return fail(found.error());
      if (*found) {
        const Result<void> done = take(level, std::string((*found)->name), (*found)->type);
        if (!done) return done;
        continue;
      }
      if (levels_.size() == 1) {
        // Reading while removing may skip names, and deep directories were moved here: look again until it is empty.
        if (level.removed_at_rewind == removed_) return {};
        level.removed_at_rewind = removed_;
        level.reader.rewind();
        continue;
      }
      const Result<void> left = leave();
      if (!left) return left;
    }
  }

 private:
  struct Level {
    tree::DirectoryReader reader;
    std::string name;
    std::uint64_t removed_at_rewind;
  };

  Result<void> take(Level& level, const std::string& name, unsigned char type) {
    const int here = level.reader.fd();
    if (type != DT_DIR) {
      if (::unlinkat(here, name.c_str(), 0) == 0) {
        ++removed_;
        return {};
      }
      if (errno == ENOENT) return {};
      if (errno != EISDIR) return fail_errno("remove", shown(name));
    }
    if (::unlinkat(here, name.c_str(), AT_REMOVEDIR) == 0) {
      ++removed_;
      return {};
    }
    if (errno == ENOENT) return {};
    if (errno == ENOTDIR) return take(level, name, DT_REG);
    if (errno != ENOTEMPTY && errno != EEXIST) return fail_errno("remove", shown(name));
    if (levels_.size() >= kMaxLevels) {
      const std::string moved = tree::temporary_name();
      if (::renameat(here, name.c_str(), levels_.front().reader.fd(), moved.c_str()) == 0) {
        levels_.front().removed_at_rewind = ~std::uint64_t{0};  // there is something new up there
        return {};
      }
      return fail_errno("move up", shown(name));
    }
    Result<UniqueFd> fd = tree::open_directory(here, name);
    if (!fd)
      return fd.error().code == Code::not_found || fd.error().code == Code::failed_precondition ? Result<void>{}
                                                                                                : fail(fd.error());
    Result<tree::DirectoryReader> reader = tree::DirectoryReader::over(std::move(*fd));
    if (!reader) return fail(reader.error());
    levels_.push_back({.reader = std::move(*reader), .name = name, .removed_at_rewind = ~std::uint64_t{0}});
    return {};
  }

  /// The level has been read to its end.
  Result<void> leave() {
    Level& level = levels_.back();
    const int parent = levels_[levels_.size() - 2].reader.fd();
    if (::unlinkat(parent, level.name.c_str(), AT_REMOVEDIR) == 0) {
      ++removed_;
    } else if ((errno == ENOTEMPTY || errno == EEXIST) && level.removed_at_rewind != removed_) {
      level.removed_at_rewind = removed_;
      level.reader.rewind();
      return {};
    } else if (errno != ENOENT && errno != ENOTDIR) {  // gone, or swapped: the level above looks again
      return fail_errno("remove", shown(level.name));
    }
    levels_.pop_back();
    return {};
  }

  std::stop_token stop_;
  std::uint64_t& removed_;
  std::vector<Level> levels_;
};

}  // namespace

Result<api::FilesRemoveReply> remove(const std::string& path, bool recursive, bool missing_ok, std::stop_token stop) {
  api::FilesRemoveReply reply;
  const Result<Place> place = locate(path, LastLink::keep);
  if (!place) {
    if (missing_ok && place.error().code == Code::not_found) return reply;
    return fail(place.error());
  }
  const int parent = place->directory.get();
  const char* name = place->name.c_str();
  if (::unlinkat(parent, name, 0) == 0) {
    ++reply.removed;
    return reply;
  }
  if (errno == ENOENT && missing_ok) return reply;
  if (errno != EISDIR && errno != EPERM) return fail_errno("remove", shown(path));
  const int why = errno;
  if (::unlinkat(parent, name, AT_REMOVEDIR) == 0) {
    ++reply.removed;
    return reply;
  }
  if (errno == ENOTDIR) return fail_errno("remove", shown(path), why);
  if (errno != ENOTEMPTY && errno != EEXIST) return fail_errno("remove", shown(path));
  if (!recursive) {
    return fail(Code::failed_precondition,
                fmt::format("the directory '{}' is not empty; 'recursive: true' removes it with all that is in it",
                            shown(path)));
  }
  Result<UniqueFd> fd = tree::open_directory(parent, place->name);
  if (!fd) return fail(fd.error());
  Result<tree::DirectoryReader> reader = tree::DirectoryReader::over(std::move(*fd));
  if (!reader) return fail(reader.error());
  const Result<void> emptied = Remover(std::move(*reader), std::move(stop), reply.removed).run();
  if (!emptied) return fail(emptied.error(), shown(path));
  if (::unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) return fail_errno("remove", shown(path));
  ++reply.removed;
  return reply;
}

}  // namespace swarm::agentd::files
