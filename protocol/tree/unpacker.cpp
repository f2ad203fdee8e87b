#include "protocol/tree/unpacker.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/core/utf8.hpp"

namespace swarm::tree {
namespace {

Result<void> set_time(int directory, const char* name, std::int64_t mtime_ns, int flags) {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, timespec_of(mtime_ns)};
  if (::utimensat(directory, name, static_cast<const timespec*>(times), flags) == 0) return {};
  return fail_errno("set the time of", shown(name));
}

Result<void> settle(int fd, mode_t mode, std::int64_t mtime_ns, std::string_view path) {
  if (::fchmod(fd, mode) != 0) return fail_errno("chmod", shown(path));
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, timespec_of(mtime_ns)};
  if (::futimens(fd, static_cast<const timespec*>(times)) != 0) return fail_errno("set the time of", shown(path));
  return {};
}

/// Whether a link with this target, in a directory `depth` levels below the root, can leave the tree.
bool leads_outside(std::string_view target, std::size_t depth) {
  if (target.starts_with('/')) return true;
  while (!target.empty()) {
    const std::size_t slash = target.find('/');
    const std::string_view name = target.substr(0, slash);
    target.remove_prefix(slash == std::string_view::npos ? target.size() : slash + 1);
    if (name.empty() || name == ".") continue;
    if (name != "..") {
      ++depth;
    } else if (depth-- == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

Unpacker::Unpacker(UniqueFd root, UnpackOptions options)
    : root_(std::move(root)), options_(options), decoder_(*this, options_.limits) {}

mode_t Unpacker::mode_of(const Entry& entry) const {
  return options_.special_bits == SpecialBits::keep ? entry.mode & 07777U : entry.mode & 0777U;
}

Result<void> Unpacker::finish() {
  const Result<void> complete = decoder_.finish();
  if (!complete) return complete;
  while (!levels_.empty()) {
    const Result<void> left = leave();
    if (!left) return left;
  }
  if (root_entry_) return settle(root_.get(), mode_of(*root_entry_), root_entry_->mtime_ns, ".");
  return {};
}

Result<void> Unpacker::leave() {
  const Level level = std::move(levels_.back());
  levels_.pop_back();
  if (!level.pending) return {};
  return settle(level.fd.get(), mode_of(*level.pending), level.pending->mtime_ns, level.pending->path);
}

Result<UniqueFd> Unpacker::make_directory(const std::string& name, bool& made) {
  made = ::mkdirat(here(), name.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return fail_errno("mkdir", shown(name));
  return open_directory(here(), name);
}

Result<void> Unpacker::enter(std::span<const std::string_view> names) {
  std::size_t same = 0;
  while (same < names.size() && same < levels_.size() && levels_[same].name == names[same]) ++same;
  while (levels_.size() > same) {
    const Result<void> left = leave();
    if (!left) return left;
  }
  for (const std::string_view name : names.subspan(same)) {
    std::string own(name);
    bool made = false;
    Result<UniqueFd> fd = make_directory(own, made);
    if (!fd) return fail(fd.error());
    // The archive did not say what it looks like.
    if (made && ::fchmod(fd->get(), 0755) != 0) return fail_errno("chmod", shown(own));
    levels_.push_back({.name = std::move(own), .fd = std::move(*fd), .pending = std::nullopt});
  }
  return {};
}

Result<void> Unpacker::begin(const Entry& entry) {
  entry_ = entry;
  file_.reset();
  const Result<std::vector<std::string_view>> names = components(entry_.path, options_.limits);
  if (!names) return fail(names.error());
  if (entry.kind == Kind::directory) return begin_directory(entry, *names);
  const Result<void> entered = enter(std::span(*names).first(names->size() - 1));
  if (!entered) return fail(entered.error(), shown(entry.path));
  name_ = names->back();
  if (entry.kind == Kind::symlink) return make_symlink(entry, name_, names->size() - 1);
  Result<AtomicFile> file = AtomicFile::create(here());
  if (!file) return fail(file.error(), shown(entry.path));
  file_ = std::move(*file);
  return entry.kind == Kind::hard_link ? copy_hard_link(entry) : Result<void>{};
}

Result<void> Unpacker::begin_directory(const Entry& entry, std::span<const std::string_view> names) {
  ++summary_.directories;
  if (names.empty()) {
    if (options_.root == RootEntry::apply) root_entry_ = entry;
    return {};
  }
  const Result<void> entered = enter(names);
  if (!entered) return fail(entered.error(), shown(entry.path));
  Level& level = levels_.back();
  struct stat info{};
  if (::fstat(level.fd.get(), &info) != 0) return fail_errno("stat", shown(entry.path));
  level.pending = entry;
  // Its owner must be able to write into it until it is full. A directory that was there and is another's stays as it
  // is.
  if (::fchmod(level.fd.get(), (info.st_mode & 07777U) | 0700U) != 0) level.pending.reset();
  return {};
}

Result<void> Unpacker::data(std::span<const char> bytes) {
  const Result<void> written = file_->write(bytes);
  return written ? written : fail(written.error(), shown(entry_.path));
}

Result<void> Unpacker::end() {
  if (!file_) return {};
  const Result<void> named =
      file_->commit(name_, mode_of(entry_), entry_.mtime_ns, options_.existing, Durability::process);
  file_.reset();
  if (!named) return fail(named.error(), shown(entry_.path));
  ++summary_.files;
  summary_.size_bytes += entry_.size_bytes;
  return {};
}

Result<void> Unpacker::make_symlink(const Entry& entry, const std::string& name, std::size_t depth) {
  if (options_.outside_links == OutsideLinks::refuse && leads_outside(entry.target, depth)) {
    return fail(Code::permission_denied,
                fmt::format("the link '{}' points out of the tree, to '{}'", shown(entry.path), shown(entry.target)));
  }
  const std::string temporary = temporary_name();
  if (::symlinkat(entry.target.c_str(), here(), temporary.c_str()) != 0)
    return fail_errno("symlink", shown(entry.path));
  Result<void> done = set_time(here(), temporary.c_str(), entry.mtime_ns, AT_SYMLINK_NOFOLLOW);
  if (done) done = rename_within(here(), temporary, name, options_.existing);
  if (!done) {
    ::unlinkat(here(), temporary.c_str(), 0);
    return fail(done.error(), shown(entry.path));
  }
  ++summary_.links;
  return {};
}

Result<void> Unpacker::copy_hard_link(const Entry& entry) {
  const Result<std::vector<std::string_view>> names = components(entry.target, options_.limits);
  if (!names || names->empty()) return fail(Code::invalid_argument, "a hard link leads nowhere");
  const Result<UniqueFd> parent = open_beneath(root_.get(), std::span(*names).first(names->size() - 1));
  if (!parent) return fail(parent.error(), "target of a hard link");
  const std::string name(names->back());
  const UniqueFd from(::openat(parent->get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!from) return fail_errno("open the target of a hard link,", shown(entry.target));
  struct stat info{};
  if (::fstat(from.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return fail(Code::invalid_argument, fmt::format("the hard link '{}' leads to '{}', which is not a file",
                                                    shown(entry.path), shown(entry.target)));
  }
  entry_.mode = static_cast<std::uint32_t>(info.st_mode) & 07777U;
  entry_.mtime_ns = nanoseconds_of(info.st_mtim);
  std::vector<char> buffer(kPiece);
  for (std::uint64_t copied = 0;;) {
    const ssize_t size = ::read(from.get(), buffer.data(), buffer.size());
    if (size < 0) return fail_errno("read", shown(entry.target));
    if (size == 0) return {};
    copied += static_cast<std::uint64_t>(size);
    if (copied > options_.limits.max_total_bytes - summary_.size_bytes) {
      return fail(Code::resource_exhausted,
                  fmt::format("the tree has more than {} bytes", options_.limits.max_total_bytes));
    }
    const Result<void> written = file_->write({buffer.data(), static_cast<std::size_t>(size)});
    if (!written) return written;
    entry_.size_bytes = copied;
  }
}

}  // namespace swarm::tree
