#include "protocol/tree/packer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/core/utf8.hpp"
#include "protocol/tree/atomic_file.hpp"
#include "protocol/tree/encoder.hpp"
#include "protocol/tree/file_ends.hpp"

namespace swarm::tree {
namespace {

Entry entry_of(Kind kind, std::string_view path, const struct stat& info) {
  return {.kind = kind,
          .path = std::string(path),
          .mode = static_cast<std::uint32_t>(info.st_mode) & 07777U,
          .mtime_ns = nanoseconds_of(info.st_mtim)};
}

}  // namespace

Result<std::shared_ptr<Packer>> Packer::over(UniqueFd root, PackOptions options) {
  struct stat info{};
  if (::fstat(root.get(), &info) != 0) return fail_errno("stat", "");
  Result<Walker> walker = Walker::over(std::move(root), options.max_depth);
  if (!walker) return fail(walker.error());
  return std::shared_ptr<Packer>(
      new Packer(std::move(*walker), entry_of(Kind::directory, ".", info), std::move(options)));
}

Packer::Packer(Walker walker, Entry root, PackOptions options)
    : walker_(std::move(walker)), root_(std::move(root)), options_(std::move(options)) {}

Result<void> Packer::fill(std::string& out) {
  out.reserve(kPiece + (std::size_t{64} << 10U));
  if (state_ == State::root) {
    append_entry(out, root_);
    ++summary_.directories;
    state_ = State::entries;
  }
  while (out.size() < kPiece && state_ != State::ended) {
    if (file_) {
      const Result<void> added = add_content(out);
      if (!added) return added;
      continue;
    }
    const auto found = walker_.next();
    if (!found) return fail(found.error());
    if (!*found) {
      append_end(out);
      state_ = State::ended;
      break;
    }
    if (options_.exclude && options_.exclude((*found)->path, (*found)->type == DT_DIR)) continue;
    const Result<void> added = add(out, **found);
    if (!added) return added;
  }
  return {};
}

void Packer::skip(std::string_view path) {
  if (summary_.skipped.size() < kMaxSkipped) summary_.skipped.emplace_back(path);
}

Result<void> Packer::add(std::string& out, const Walker::Found& found) {
  if (found.type == DT_REG) return add_file(out, found);
  struct stat info{};
  if (::fstatat(found.parent, found.name.data(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) return fail_errno("stat", shown(found.path));
    skip(found.path);
    return {};
  }
  if (S_ISDIR(info.st_mode)) {
    const Result<bool> entered = walker_.enter();
    if (!entered) return fail(entered.error());
    if (!*entered) {
      skip(found.path);
      return {};
    }
    append_entry(out, entry_of(Kind::directory, found.path, info));
    ++summary_.directories;
    return {};
  }
  if (S_ISLNK(info.st_mode)) {
    std::string target(PATH_MAX, '\0');
    const ssize_t size = ::readlinkat(found.parent, found.name.data(), target.data(), target.size());
    if (size > 0) {
      target.resize(static_cast<std::size_t>(size));
      Entry entry = entry_of(Kind::symlink, found.path, info);
      entry.target = std::move(target);
      append_entry(out, entry);
      ++summary_.links;
      return {};
    }
  }
  skip(found.path);
  return {};
}

Result<void> Packer::add_file(std::string& out, const Walker::Found& found) {
  // O_NONBLOCK: a pipe may have taken the place of the file, and opening one would wait for a writer.
  UniqueFd fd(::openat(found.parent, found.name.data(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    if (errno != ENOENT && errno != ELOOP && errno != ENXIO) return fail_errno("open", shown(found.path));
    skip(found.path);
    return {};
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat", shown(found.path));
  if (!S_ISREG(info.st_mode)) {
    skip(found.path);
    return {};
  }
  Entry entry = entry_of(Kind::file, found.path, info);
  entry.size_bytes = static_cast<std::uint64_t>(info.st_size);
  append_entry(out, entry);
  ++summary_.files;
  summary_.size_bytes += entry.size_bytes;
  file_ = std::move(fd);
  file_path_ = found.path;
  file_size_ = file_left_ = entry.size_bytes;
  return {};
}

Result<void> Packer::add_content(std::string& out) {
  const std::size_t room = out.size() < kPiece ? kPiece - out.size() : 0;
  const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(file_left_, room));
  const Result<std::size_t> got = append_from(file_.get(), out, want);
  if (!got) return fail(got.error(), shown(file_path_));
  file_left_ -= *got;
  if (*got < want) {
    return fail(Code::failed_precondition,
                fmt::format("'{}' became shorter while it was read ({} of {} bytes came); try again, or leave it out",
                            shown(file_path_), file_size_ - file_left_, file_size_));
  }
  if (file_left_ == 0) {
    append_padding(out, file_size_);
    file_.reset();
  }
  return {};
}

}  // namespace swarm::tree
