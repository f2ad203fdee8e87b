#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "agentd/files/operations.hpp"
#include "agentd/files/place.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/tree/directory.hpp"

namespace swarm::agentd::files {
namespace {

constexpr std::size_t kMaxDepth = 200;

}  // namespace

std::unexpected<Error> stopped() { return fail(Code::cancelled, "the caller has gone"); }

Result<api::FileInfo> stat(const std::string& path, bool follow) {
  return describe(AT_FDCWD, path, path, follow ? LastLink::follow : LastLink::keep);
}

Result<api::FileInfo> mkdir(const std::string& path, std::uint32_t mode, bool parents) {
  if (parents) {
    const Result<void> made = make_parents(path);
    if (!made) return fail(made.error());
  }
  const Result<Place> place = locate(path, LastLink::keep);
  if (!place) return fail(place.error());
  if (::mkdirat(place->directory.get(), place->name.c_str(), 0700) != 0) {
    if (errno != EEXIST) return fail_errno("mkdir", shown(path));
    struct stat info{};
    const bool directory =
        ::fstatat(place->directory.get(), place->name.c_str(), &info, 0) == 0 && S_ISDIR(info.st_mode);
    if (parents && directory) return stat(path, true);
    return fail(Code::already_exists, fmt::format("'{}' exists already", shown(path)));
  }
  const Result<UniqueFd> fd = tree::open_directory(place->directory.get(), place->name);
  if (!fd) return fail(fd.error());
  if (::fchmod(fd->get(), mode) != 0) return fail_errno("chmod", shown(path));  // not as the umask would have it
  return stat(path, true);
}

Result<api::FileInfo> rename(const std::string& from, const std::string& to, bool replace) {
  const Result<Place> source = locate(from, LastLink::keep);
  if (!source) return fail(source.error());
  const Result<Place> target = locate(to, LastLink::keep);
  if (!target) return fail(target.error());
  const unsigned flags = replace ? 0U : RENAME_NOREPLACE;
  if (::renameat2(source->directory.get(), source->name.c_str(), target->directory.get(), target->name.c_str(),
                  flags) != 0) {
    switch (errno) {
      case EXDEV:
        return fail(Code::failed_precondition,
                    fmt::format("'{}' and '{}' are in different file systems; copy and remove instead", shown(from),
                                shown(to)));
      case EEXIST:
      case ENOTEMPTY:
      case EISDIR:
        return fail(Code::already_exists, fmt::format("'{}' exists already and is not replaced", shown(to)));
      default:
        return fail_errno("rename", fmt::format("{}' to '{}", shown(from), shown(to)));
    }
  }
  return describe(target->directory.get(), target->name, to, LastLink::keep);
}

Result<api::FilesChmodReply> chmod(const std::string& path, std::uint32_t mode, bool recursive, std::stop_token stop) {
  api::FilesChmodReply reply;
  UniqueFd root;
  if (recursive) {
    // Opened before, since the new mode may not let us in.
    root = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root && errno != ENOTDIR) return fail_errno("open directory", shown(path));
  }
  if (::chmod(path.c_str(), mode) != 0) return fail_errno("chmod", shown(path));
  ++reply.changed;
  if (!root) return reply;
  Result<tree::Walker> walker = tree::Walker::over(std::move(root), kMaxDepth);
  if (!walker) return fail(walker.error());
  for (;;) {
    if (stop.stop_requested()) return stopped();
    const auto found = walker->next();
    if (!found) return fail(found.error());
    if (!*found) return reply;
    if ((*found)->type == DT_LNK) continue;
    if ((*found)->type == DT_DIR) {
      const Result<bool> entered = walker->enter();
      if (!entered) return fail(entered.error());
    }
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): it ends with a zero, as in the directory
    if (::fchmodat((*found)->parent, (*found)->name.data(), mode, AT_SYMLINK_NOFOLLOW) == 0) {
      ++reply.changed;
    } else if (errno != ENOENT && errno != EOPNOTSUPP) {  // gone, or a link by now
      return fail_errno("chmod", shown(path + "/" + std::string((*found)->path)));
    }
  }
}

}  // namespace swarm::agentd::files
