#include "protocol/async/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/core/unique_fd.hpp"

namespace swarm::async {

Result<std::string> read_file_now(const std::string& path, std::size_t max_bytes) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open", path);
  std::string content;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t size = read(fd.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("read", path);
    if (size == 0) return content;
    if (content.size() + static_cast<std::size_t>(size) > max_bytes) {
      return fail(Code::resource_exhausted, fmt::format("'{}' is larger than {} bytes", path, max_bytes));
    }
    content.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

Result<void> write_file_atomic_now(const std::string& path, std::string_view content, mode_t mode, Sync sync) {
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail_errno("create", temporary);
  const auto give_up = [&](std::string_view call) {
    Result<void> failed = fail_errno(call, path);
    unlink(temporary.c_str());
    return failed;
  };
  for (std::string_view rest = content; !rest.empty();) {
    const ssize_t size = write(fd.get(), rest.data(), rest.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return give_up("write");
    rest.remove_prefix(static_cast<std::size_t>(size));
  }
  if (fchmod(fd.get(), mode) != 0) return give_up("chmod");
  if (sync == Sync::power && fsync(fd.get()) != 0) return give_up("fsync");
  if (rename(temporary.c_str(), path.c_str()) != 0) return give_up("rename");
  if (sync == Sync::power) {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const UniqueFd parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent || fsync(parent.get()) != 0) return fail_errno("fsync", directory);
  }
  return {};
}

Task<Result<std::string>> read_file(Loop& loop, std::string path, std::size_t max_bytes) {
  Result<std::string> content =
      co_await run_blocking(loop, [path = std::move(path), max_bytes] { return read_file_now(path, max_bytes); });
  co_return content;
}

Task<Result<void>> write_file_atomic(Loop& loop, std::string path, std::string content, mode_t mode, Sync sync) {
  Result<void> written =
      co_await run_blocking(loop, [path = std::move(path), content = std::move(content), mode, sync] {
        return write_file_atomic_now(path, content, mode, sync);
      });
  co_return written;
}

}  // namespace swarm::async
