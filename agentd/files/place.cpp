#include "agentd/files/place.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <unistd.h>

#include "protocol/core/utf8.hpp"
#include "protocol/tree/atomic_file.hpp"

namespace swarm::agentd::files {
namespace {

constexpr int kMaxLinks = 40;  // the kernel's own limit

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Result<std::string> read_link(int directory, const std::string& name) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (size < 0) return fail_errno("readlink", shown(name));
  target.resize(static_cast<std::size_t>(size));
  return target;
}

}  // namespace

Result<std::string> absolute(const std::string& path, const std::string& workspace) {
  if (path.empty()) return fail(Code::invalid_argument, "the path is empty");
  if (path.contains('\0'))
    return fail(Code::invalid_argument, fmt::format("the path '{}' has a NUL byte", shown(path)));
  std::string_view rest = path;
  std::string out = path.starts_with('/') ? std::string() : without_trailing_slashes(workspace);
  if (out == "/") out.clear();
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    // A "." at the end stays: what may not be named so is refused later.
    if (name.empty() || (name == "." && !rest.empty())) continue;
    out += '/';
    out += name;
  }
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

std::string as_directory(std::string path) {
  path = without_trailing_slashes(std::move(path));
  if (path.ends_with("/.")) path.resize(path.size() - 2);
  return path == "/" ? "" : path;
}

Result<Place> locate(const std::string& path, LastLink last) {
  std::string at = without_trailing_slashes(path);
  for (int links = 0; links < kMaxLinks; ++links) {
    const std::size_t slash = at.rfind('/');
    const std::string parent = slash == 0 ? "/" : at.substr(0, slash);
    Place place{.directory = {}, .name = at.substr(slash + 1), .path = path};
    if (place.name.empty() || place.name == "." || place.name == "..") {
      return fail(Code::invalid_argument, fmt::format("'{}' does not end in a name", shown(path)));
    }
    place.directory = UniqueFd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Names can be used in a directory that cannot be listed.
    if (!place.directory && errno == EACCES)
      place.directory = UniqueFd(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!place.directory) return fail_errno("open directory", shown(parent));
    struct stat info{};
    if (last == LastLink::keep ||
        ::fstatat(place.directory.get(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISLNK(info.st_mode)) {
      return place;
    }
    const Result<std::string> target = read_link(place.directory.get(), place.name);
    if (!target) return fail(target.error());
    at = without_trailing_slashes(target->starts_with('/') ? *target : parent + "/" + *target);
  }
  return fail(Code::invalid_argument, fmt::format("'{}' leads through more than {} links", shown(path), kMaxLinks));
}

Result<void> make_parents(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (::mkdir(parent.c_str(), 0755) == 0) {
      ::chmod(parent.c_str(), 0755);  // whatever our umask is
    } else if (errno != EEXIST && errno != EACCES && errno != EROFS) {
      // The last two come also for directories that are there; if not, what follows says so.
      return fail_errno("mkdir", shown(parent));
    }
  }
  return {};
}

api::FileInfo info_of(const struct stat& info, std::string path) {
  const auto kind = [&] {
    switch (info.st_mode & S_IFMT) {
      case S_IFREG:
        return api::FileKind::file;
      case S_IFDIR:
        return api::FileKind::directory;
      case S_IFLNK:
        return api::FileKind::symlink;
      case S_IFIFO:
        return api::FileKind::fifo;
      case S_IFSOCK:
        return api::FileKind::socket;
      case S_IFCHR:
      case S_IFBLK:
        return api::FileKind::device;
      default:
        return api::FileKind::other;
    }
  }();
  return {.path = std::move(path),
          .kind = kind,
          .size_bytes = static_cast<std::uint64_t>(info.st_size),
          .mode = info.st_mode & 07777U,
          .uid = info.st_uid,
          .gid = info.st_gid,
          .mtime_us = tree::nanoseconds_of(info.st_mtim) / 1000};
}

Result<api::FileInfo> describe(int directory, const std::string& name, std::string path, LastLink last) {
  struct stat info{};
  if (::fstatat(directory, name.c_str(), &info, last == LastLink::keep ? AT_SYMLINK_NOFOLLOW : 0) != 0) {
    return fail_errno("stat", shown(path));
  }
  api::FileInfo out = info_of(info, std::move(path));
  if (S_ISLNK(info.st_mode)) {
    const Result<std::string> target = read_link(directory, name);
    if (target) out.target = *target;
  }
  return out;
}

std::string_view kind_in_words(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "is a directory";
    case S_IFLNK:
      return "is a link";
    case S_IFIFO:
      return "is a named pipe";
    case S_IFSOCK:
      return "is a socket";
    case S_IFCHR:
    case S_IFBLK:
      return "is a device";
    default:
      return "is not a regular file";
  }
}

}  // namespace swarm::agentd::files
