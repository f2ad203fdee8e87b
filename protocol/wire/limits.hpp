#pragma once

#include <cstddef>

namespace swarm::wire {

/// What one peer may make us hold. Enforced while parsing, before memory is taken.
struct Limits {
  std::size_t max_frame_bytes = std::size_t{16} << 20U;   ///< one message
  std::size_t max_depth = 32;                             ///< nested arrays and maps
  std::size_t max_items = 1'000'000;                      ///< elements of one message, all levels together
  std::size_t max_string_bytes = std::size_t{16} << 20U;  ///< one str or bin
  std::size_t max_requests = 1024;                        ///< unanswered requests of the peer; then we stop reading
  std::size_t max_output_bytes = std::size_t{8} << 20U;   ///< queued for a slow peer; then we stop reading from it too
  std::size_t max_streams = 4096;                         ///< open streams on one connection
};

/// Credit that both ends of a stream start with (docs/api.md, "Streams").
inline constexpr std::size_t kInitialCredit = std::size_t{256} << 10U;

/// The largest chunk that we put into one `stream.data`.
inline constexpr std::size_t kMaxChunk = std::size_t{64} << 10U;

}  // namespace swarm::wire
