#pragma once

#include <chrono>
#include <cstddef>

namespace swarm::wire {

/// What one peer may make us hold. Enforced while parsing, before memory is taken.
struct Limits {
  std::size_t max_frame_bytes = std::size_t{16} << 20U;   ///< one message
  std::size_t max_depth = 32;                             ///< nested arrays and maps
  std::size_t max_items = 200'000;                        ///< elements of one message, all levels together
  std::size_t max_string_bytes = std::size_t{16} << 20U;  ///< one str, bin or extension

  std::size_t max_requests = 1024;  ///< unanswered requests of the peer; then no further request is taken
  /// What unanswered requests hold in memory, estimated; then no further request is taken.
  std::size_t max_request_bytes = std::size_t{64} << 20U;
  std::size_t max_output_bytes = std::size_t{1} << 20U;  ///< queued for a slow peer; then no further request is taken
  std::size_t max_streams = 1024;                        ///< open streams on one connection
  /// Streams on which bytes came before anybody opened them.
  std::size_t max_early_streams = 32;

  /// How long `Connection::close` waits for the peer to take what is queued.
  std::chrono::milliseconds linger = std::chrono::seconds(2);
};

/// Credit that both ends of a stream start with.
inline constexpr std::size_t kInitialCredit = std::size_t{256} << 10U;

/// The largest chunk that we put into one `stream.data`.
inline constexpr std::size_t kMaxChunk = std::size_t{64} << 10U;

}  // namespace swarm::wire
