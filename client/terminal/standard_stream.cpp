#include "client/terminal/standard_stream.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace swarm::client {

Result<std::unique_ptr<StandardStream>> StandardStream::open(async::Loop& loop, int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) {
    return fail(Code::failed_precondition, fmt::format("standard {} is closed; open it, for example with '{}/dev/null'",
                                                       fd == 0   ? "input"
                                                       : fd == 1 ? "output"
                                                                 : "error output",
                                                       fd == 0 ? "<" : ">"));
  }
  // A regular file keeps its offset and append mode only in a duplicate, and never blocks.
  const bool own_flags = S_ISFIFO(info.st_mode) || ::isatty(fd) == 1;
  if (own_flags) {
    const int access = fd == 0 ? O_RDONLY : O_WRONLY;
    UniqueFd again(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (again) return std::unique_ptr<StandardStream>(new StandardStream(loop, std::move(again), -1, 0));
  }
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno("dup", fmt::format("descriptor {}", fd));
  const int flags = ::fcntl(fd, F_GETFL);
  return std::unique_ptr<StandardStream>(new StandardStream(loop, std::move(copy), fd, flags));
}

StandardStream::StandardStream(async::Loop& loop, UniqueFd fd, int shared, int flags)
    : shared_(shared), flags_(flags), stream_(loop, std::move(fd)) {}

StandardStream::~StandardStream() {
  if (shared_ >= 0 && flags_ >= 0) ::fcntl(shared_, F_SETFL, flags_);
}

async::Task<Result<std::uint64_t>> send_standard_input(async::Loop& loop, wire::ByteSink& sink) {
  Result<std::unique_ptr<StandardStream>> in = StandardStream::open(loop, STDIN_FILENO);
  if (!in) co_return fail(in.error());
  std::vector<std::byte> buffer(std::size_t{64} << 10U);
  std::uint64_t total = 0;
  for (;;) {
    const Result<std::size_t> size = co_await (*in)->read(buffer);
    if (!size) {
      sink.fail(size.error().with_context("read standard input"));
      co_return fail(size.error(), "read standard input");
    }
    if (*size == 0) break;
    const Result<void> written = co_await sink.write(std::span(buffer).first(*size));
    if (!written) co_return fail(written.error());
    total += *size;
  }
  sink.end();
  co_return total;
}

bool has_standard_input() { return ::fcntl(STDIN_FILENO, F_GETFL) >= 0; }

}  // namespace swarm::client
