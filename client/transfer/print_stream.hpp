#pragma once

#include <cstdint>
#include <memory>

#include "client/context.hpp"
#include "protocol/async/task.hpp"
#include "protocol/core/error.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::client {

/// Everything that comes, to standard output; for a person's terminal without control sequences, unless `raw`. The
/// number of bytes. Ends the program quietly where nobody reads any more.
async::Task<Result<std::uint64_t>> print_stream(Context& context, std::unique_ptr<wire::ByteSource> source, bool raw);

}  // namespace swarm::client
