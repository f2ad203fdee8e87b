#pragma once
// Standard input, output and error as streams of the loop. A descriptor that we inherited shares its flags with the
// shell and with whoever else holds it: making it non-blocking would break them. So a terminal or pipe is opened a
// second time, which gives flags of our own; where that cannot be done, the flags are put back at the end.

#include <memory>

#include "protocol/async/fd.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::client {

class StandardStream {
 public:
  /// `fd` is 0, 1 or 2. Errors name it: a closed standard input is `failed_precondition`.
  static Result<std::unique_ptr<StandardStream>> open(async::Loop& loop, int fd);
  StandardStream(const StandardStream&) = delete;
  StandardStream& operator=(const StandardStream&) = delete;
  ~StandardStream();

  /// As `async::Fd`. Writing where nobody reads any more is `unavailable`.
  async::Task<Result<std::size_t>> read(std::span<std::byte> into) { return stream_.read(into); }
  async::Task<Result<void>> write(std::span<const std::byte> bytes) { return stream_.write(bytes); }

 private:
  StandardStream(async::Loop& loop, UniqueFd fd, int shared, int flags);

  int shared_;  // the descriptor whose flags are to be put back, or -1
  int flags_;
  async::Fd stream_;
};

/// Sends all of standard input and ends the stream; the number of bytes. Dropping it leaves what was not read.
async::Task<Result<std::uint64_t>> send_standard_input(async::Loop& loop, wire::ByteSink& sink);

/// Whether standard input is open at all.
bool has_standard_input();

}  // namespace swarm::client
