#pragma once
// Between a connection of the operating system and a stream of ours: what forwarded ports are made of, on the host and
// in the sandbox. Needs no more memory than one buffer a direction, because each waits for its reader.

#include "protocol/async/loop.hpp"
#include "protocol/transport/stream.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::relay {

/// What went through a relay, kept current while it runs.
struct Traffic {
  std::uint64_t to_stream_bytes = 0;    ///< read from the source, written to the connection
  std::uint64_t from_stream_bytes = 0;  ///< read from the connection, written to the sink
};

/// Carries bytes both ways until both directions have ended. The clean end of one direction is passed on and the other
/// goes on (half-close). A failure of either side ends both, the sink with the failure and the connection, when it is
/// dropped, with a reset: a cut stream must not look like a whole one. Gives that failure. The three ends must outlive
/// the task, `traffic` too where given; dropping the task leaves them as they are.
async::Task<Result<void>> run(async::Loop& loop, transport::Stream& connection, wire::ByteSource& source,
                              wire::ByteSink& sink, Traffic* traffic = nullptr);

}  // namespace swarm::relay
