#include "protocol/tree/directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/core/utf8.hpp"

namespace swarm::tree {
namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

Result<UniqueFd> open_directory(int parent, const std::string& name) {
  UniqueFd fd(::openat(parent, name.c_str(), kOpenDirectory));
  if (fd) return fd;
  if (errno == ELOOP || errno == ENOTDIR) {
    return fail(Code::failed_precondition,
                fmt::format("'{}' is not a directory; links are not followed here", shown(name)));
  }
  return fail_errno("open directory", shown(name));
}

Result<UniqueFd> open_beneath(int root, std::span<const std::string_view> names) {
  UniqueFd at;
  for (const std::string_view name : names) {
    Result<UniqueFd> next = open_directory(at ? at.get() : root, std::string(name));
    if (!next) return next;
    at = std::move(*next);
  }
  if (at) return at;
  UniqueFd again(::fcntl(root, F_DUPFD_CLOEXEC, 0));
  if (!again) return fail_errno("duplicate descriptor", "");
  return again;
}

Result<DirectoryReader> DirectoryReader::over(UniqueFd directory) {
  DIR* stream = ::fdopendir(directory.get());
  if (stream == nullptr) return fail_errno("read directory", "");
  static_cast<void>(directory.release());
  return DirectoryReader(stream);
}

Result<std::optional<DirectoryReader::Name>> DirectoryReader::next() {
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream_.get());
    if (entry == nullptr) {
      if (errno == 0 || errno == ENOENT) return std::nullopt;  // ENOENT: the directory itself was removed
      return fail_errno("read directory", "");
    }
    const std::string_view name(static_cast<const char*>(entry->d_name));
    if (name == "." || name == "..") continue;
    unsigned char type = entry->d_type;
    if (type == DT_UNKNOWN) {
      struct stat info{};
      if (::fstatat(fd(), name.data(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      type = static_cast<unsigned char>(IFTODT(info.st_mode));
    }
    return Name{.name = name, .type = type};
  }
}

void DirectoryReader::rewind() { ::rewinddir(stream_.get()); }

int DirectoryReader::fd() const { return ::dirfd(stream_.get()); }

Result<Walker> Walker::over(UniqueFd root, std::size_t max_depth) {
  Result<DirectoryReader> reader = DirectoryReader::over(std::move(root));
  if (!reader) return fail(reader.error());
  Walker walker(max_depth);
  walker.levels_.push_back({.reader = std::move(*reader), .path_size = 0});
  return walker;
}

Result<std::optional<Walker::Found>> Walker::next() {
  while (!levels_.empty()) {
    Level& level = levels_.back();
    path_.resize(level.path_size);
    const auto found = level.reader.next();
    if (!found) return fail(found.error(), shown(path_));
    if (!*found) {
      levels_.pop_back();
      continue;
    }
    name_ = (*found)->name;
    if (!path_.empty()) path_ += '/';
    path_ += name_;
    return Found{.parent = level.reader.fd(), .name = name_, .path = path_, .type = (*found)->type};
  }
  return std::nullopt;
}

Result<bool> Walker::enter() {
  if (levels_.size() >= max_depth_) {
    return fail(Code::resource_exhausted,
                fmt::format("'{}' is nested deeper than {} directories", shown(path_), max_depth_));
  }
  UniqueFd fd(::openat(levels_.back().reader.fd(), name_.c_str(), kOpenDirectory));
  if (!fd) {
    if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR) return false;
    return fail_errno("open directory", shown(path_));
  }
  Result<DirectoryReader> reader = DirectoryReader::over(std::move(fd));
  if (!reader) return fail(reader.error());
  levels_.push_back({.reader = std::move(*reader), .path_size = path_.size()});
  return true;
}

}  // namespace swarm::tree
