#include "protocol/tree/file_ends.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/core/utf8.hpp"

namespace swarm::tree {
namespace {

Result<void> check_growth(const FileTarget& target, std::uint64_t size, std::size_t more) {
  if (!target.size_bytes || more <= *target.size_bytes - size) return {};
  return fail(Code::invalid_argument, fmt::format("'{}' was announced with {} bytes and the stream has more",
                                                  shown(target.name), *target.size_bytes));
}

Result<void> check_size(const FileTarget& target, std::uint64_t size) {
  if (!target.size_bytes || size == *target.size_bytes) return {};
  return fail(Code::invalid_argument, fmt::format("'{}' was announced with {} bytes and the stream has {}",
                                                  shown(target.name), *target.size_bytes, size));
}

}  // namespace

Result<std::size_t> append_from(int fd, std::string& out, std::size_t size) {
  const std::size_t before = out.size();
  int error = 0;
  out.resize_and_overwrite(before + size, [&](char* data, std::size_t) {
    std::size_t got = 0;
    while (got < size) {
      const ssize_t n = ::read(fd, data + before + got, size - got);
      if (n == 0) break;
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        error = errno;
        break;
      }
      got += static_cast<std::size_t>(n);
    }
    return before + got;
  });
  if (error != 0) return fail_errno("read", "", error);
  return out.size() - before;
}

Result<void> write_fully(int fd, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno != EINTR) return fail_errno("write", "");
    if (size > 0) bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return {};
}

Result<void> FileProducer::fill(std::string& out) {
  const Result<std::size_t> got = append_from(file_.get(), out, kPiece);
  if (!got) return fail(got.error());
  return {};
}

Result<std::shared_ptr<FileConsumer>> FileConsumer::in(UniqueFd directory, FileTarget target) {
  Result<AtomicFile> file = AtomicFile::create(directory.get());
  if (!file) return fail(file.error(), shown(target.name));
  return std::shared_ptr<FileConsumer>(new FileConsumer(std::move(directory), std::move(*file), std::move(target)));
}

Result<void> FileConsumer::take(std::span<const char> bytes) {
  const Result<void> fits = check_growth(target_, size_, bytes.size());
  if (!fits) return fits;
  size_ += bytes.size();
  return file_.write(bytes);
}

Result<void> FileConsumer::finish() {
  const Result<void> exact = check_size(target_, size_);
  if (!exact) return exact;
  if (target_.owner && ::fchown(file_.fd(), target_.owner->first, target_.owner->second) != 0 && errno != EPERM) {
    return fail_errno("chown", shown(target_.name));
  }
  return file_.commit(target_.name, target_.mode, target_.mtime_ns, target_.existing, target_.durability);
}

Result<void> InPlaceConsumer::take(std::span<const char> bytes) {
  const Result<void> fits = check_growth(target_, size_, bytes.size());
  if (!fits) return fits;
  size_ += bytes.size();
  return write_fully(file_.get(), bytes);
}

Result<void> InPlaceConsumer::finish() {
  const Result<void> exact = check_size(target_, size_);
  if (!exact) return exact;
  if (target_.mtime_ns) {
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, timespec_of(*target_.mtime_ns)};
    if (::futimens(file_.get(), static_cast<const timespec*>(times)) != 0) {
      return fail_errno("set the time of", shown(target_.name));
    }
  }
  if (target_.durability == Durability::power && ::fsync(file_.get()) != 0)
    return fail_errno("fsync", shown(target_.name));
  return {};
}

}  // namespace swarm::tree
