#pragma once

#include <memory>

#include "protocol/async/task.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::wire {

/// Carries everything from `source` to `sink`, waiting for whichever is slower; the end, or the failure, goes along.
async::Task<> carry(std::unique_ptr<ByteSource> source, std::unique_ptr<ByteSink> sink);

}  // namespace swarm::wire
