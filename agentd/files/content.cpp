#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "agentd/files/operations.hpp"
#include "agentd/files/place.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd::files {
namespace {

constexpr mode_t kDefaultMode = 0644;

std::unexpected<Error> not_regular(const std::string& path, mode_t mode) {
  return fail(Code::failed_precondition,
              fmt::format("'{}' {}; only regular files have content here", shown(path), kind_in_words(mode)));
}

/// Opens for reading. O_NONBLOCK, because opening a pipe would wait for its writer.
Result<UniqueFd> open_regular(const std::string& path, struct stat& info) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    if (errno == ENXIO)
      return fail(Code::failed_precondition, fmt::format("'{}' is a socket or pipe, not a regular file", shown(path)));
    return fail_errno("open", shown(path));
  }
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat", shown(path));
  if (!S_ISREG(info.st_mode)) return not_regular(path, info.st_mode);
  return fd;
}

struct Target {
  Place place;
  std::optional<struct stat> there;
};

/// Finds where content goes and checks that it may.
Result<Target> aim(const std::string& path, api::WriteMode if_exists, bool parents) {
  if (path.ends_with('/')) return fail(Code::invalid_argument, fmt::format("'{}' names a directory", shown(path)));
  if (parents) {
    const Result<void> made = make_parents(path);
    if (!made) return fail(made.error());
  }
  Result<Place> place = locate(path, LastLink::follow);
  if (!place) return fail(place.error());
  Target target{.place = std::move(*place), .there = std::nullopt};
  struct stat info{};
  if (::fstatat(target.place.directory.get(), target.place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISREG(info.st_mode)) return not_regular(path, info.st_mode);
    if (if_exists == api::WriteMode::create) {
      return fail(Code::already_exists,
                  fmt::format("'{}' exists already; 'if_exists: any' would replace it", shown(path)));
    }
    target.there = info;
  } else if (errno != ENOENT) {
    return fail_errno("stat", shown(path));
  } else if (if_exists == api::WriteMode::replace) {
    return fail(Code::not_found, fmt::format("there is no '{}' to replace", shown(path)));
  }
  return target;
}

mode_t mode_for(const std::optional<std::uint32_t>& asked, const Target& target) {
  if (asked) return *asked;
  return target.there ? target.there->st_mode & 07777U : kDefaultMode;
}

/// Opens the file itself, for content that is written in place.
Result<UniqueFd> open_in_place(const Target& target, const std::optional<std::uint32_t>& mode, int flags) {
  const Place& place = target.place;
  const int common = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags;
  UniqueFd fd(::openat(place.directory.get(), place.name.c_str(), common | O_CREAT | O_EXCL, 0600));
  const bool made = static_cast<bool>(fd);
  if (!fd && errno == EEXIST) fd = UniqueFd(::openat(place.directory.get(), place.name.c_str(), common));
  if (!fd) return fail_errno("open", shown(place.path));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat", shown(place.path));
  if (!S_ISREG(info.st_mode)) return not_regular(place.path, info.st_mode);
  if ((made || mode) && ::fchmod(fd.get(), mode.value_or(kDefaultMode)) != 0)
    return fail_errno("chmod", shown(place.path));
  return fd;
}

Result<std::shared_ptr<tree::Consumer>> open_target(const std::string& path, api::WriteMode if_exists, bool parents,
                                                    bool atomic, const std::optional<std::uint32_t>& mode,
                                                    tree::FileTarget file) {
  Result<Target> target = aim(path, if_exists, parents);
  if (!target) return fail(target.error());
  file.name = target->place.name;
  file.mode = mode_for(mode, *target);
  file.existing = if_exists == api::WriteMode::create ? tree::Existing::refuse : tree::Existing::replace;
  if (atomic) {
    if (target->there && ::geteuid() == 0) file.owner = {target->there->st_uid, target->there->st_gid};
    auto consumer = tree::FileConsumer::in(std::move(target->place.directory), std::move(file));
    if (consumer) return std::shared_ptr<tree::Consumer>(std::move(*consumer));
    const bool only_in_place = consumer.error().code == Code::permission_denied && target->there;
    return fail(consumer.error(),
                only_in_place ? "no right to make a file beside it ('atomic: false' needs none)" : "write");
  }
  Result<UniqueFd> fd = open_in_place(*target, mode, 0);
  if (!fd) return fail(fd.error());
  if (::ftruncate(fd->get(), 0) != 0) return fail_errno("truncate", shown(path));
  return std::shared_ptr<tree::Consumer>(std::make_shared<tree::InPlaceConsumer>(std::move(*fd), std::move(file)));
}

}  // namespace

Result<api::FilesReadReply> read(const std::string& path, std::uint64_t offset, std::uint64_t limit_bytes) {
  struct stat info{};
  const Result<UniqueFd> fd = open_regular(path, info);
  if (!fd) return fail(fd.error());
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
    return fail(Code::out_of_range, fmt::format("no file has a byte {}", offset));
  }
  if (offset > 0 && ::lseek(fd->get(), static_cast<off_t>(offset), SEEK_SET) < 0)
    return fail_errno("seek in", shown(path));
  api::FilesReadReply reply{.offset = offset};
  const Result<std::size_t> got = tree::append_from(fd->get(), reply.data.data, static_cast<std::size_t>(limit_bytes));
  if (!got) return fail(got.error(), shown(path));
  // Files of /proc say that they are empty.
  reply.size_bytes = std::max(static_cast<std::uint64_t>(info.st_size), *got == 0 ? 0 : offset + *got);
  reply.eof = *got < limit_bytes || (info.st_size > 0 && offset + *got >= static_cast<std::uint64_t>(info.st_size));
  return reply;
}

Result<api::FileInfo> write(const std::string& path, const api::FilesWriteRequest& request) {
  const auto consumer = open_target(path, request.if_exists, request.parents, request.atomic, request.mode, {});
  if (!consumer) return fail(consumer.error(), shown(path));
  Result<void> done = (*consumer)->take(request.data.data);
  if (done) done = (*consumer)->finish();
  if (!done) return fail(done.error(), shown(path));
  return stat(path, true);
}

Result<api::FileInfo> append(const std::string& path, const api::FilesAppendRequest& request) {
  const Result<Target> target = aim(path, api::WriteMode::any, false);
  if (!target) return fail(target.error());
  const Result<UniqueFd> fd = open_in_place(*target, target->there ? std::nullopt : request.mode, O_APPEND);
  if (!fd) return fail(fd.error());
  // One call where the kernel takes it whole, which it does for regular files: other appenders come before or after.
  const Result<void> written = tree::write_fully(fd->get(), request.data.data);
  if (!written) return fail(written.error(), shown(path));
  return stat(path, true);
}

Result<std::shared_ptr<tree::Consumer>> open_upload(const std::string& path, const api::FilesUploadRequest& request) {
  tree::FileTarget file{.size_bytes = request.size_bytes};
  if (request.mtime_us) file.mtime_ns = *request.mtime_us * 1000;
  return open_target(path, request.if_exists, request.parents, request.atomic, request.mode, std::move(file));
}

Result<Download> open_download(const std::string& path, std::uint64_t offset) {
  struct stat info{};
  Result<UniqueFd> fd = open_regular(path, info);
  if (!fd) return fail(fd.error());
  if (offset > static_cast<std::uint64_t>(info.st_size)) {
    return fail(Code::out_of_range,
                fmt::format("'{}' has {} bytes; there is none at {}", shown(path), info.st_size, offset));
  }
  if (offset > 0 && ::lseek(fd->get(), static_cast<off_t>(offset), SEEK_SET) < 0)
    return fail_errno("seek in", shown(path));
  return Download{.producer = std::make_shared<tree::FileProducer>(std::move(*fd)), .info = info_of(info, path)};
}

}  // namespace swarm::agentd::files
