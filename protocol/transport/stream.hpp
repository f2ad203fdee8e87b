#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "protocol/async/task.hpp"
#include "protocol/core/error.hpp"

namespace swarm::transport {

/// Who is at the other end, as the kernel says (SO_PEERCRED).
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// A reliable, ordered byte stream in both directions: a Unix socket, a WebSocket, a pipe pair, or a resumable session
/// above any of them. Everything above this interface does not know which.
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  /// Reads what is there, at most `into.size()` bytes; 0 is the clean end. `unavailable` when the connection broke.
  /// `into` must live until the task ends or is dropped. One reader at a time.
  virtual async::Task<Result<std::size_t>> read(std::span<std::byte> into) = 0;

  /// Takes as many bytes as it can without waiting; 0 when full. `unavailable` when the connection broke.
  virtual Result<std::size_t> try_write(std::span<const std::byte> bytes) = 0;

  /// Completes when `try_write` may take something again, or would fail. One writer at a time.
  virtual async::Task<> writable() = 0;

  /// Completes when the peer has gone, even if bytes of it have not been read; for those who do not read at the moment.
  /// Never, where the transport cannot tell without reading.
  virtual async::Task<> gone();

  /// Ends our direction; the other side reads the end after all that was taken.
  virtual void shutdown_write() = 0;

  /// Lets the peer see a failure instead of a clean end when this is destroyed, where the transport can say so (a TCP
  /// reset). What is still on its way may be lost.
  virtual void break_off() {}

  /// The kernel's word on the peer, where the transport has one.
  [[nodiscard]] virtual std::optional<PeerCredentials> peer() const { return std::nullopt; }

  /// For logs and errors: "unix socket, pid 4711".
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// Writes everything, waiting while the peer is slow. `bytes` must live until the task ends.
async::Task<Result<void>> write_all(Stream& stream, std::span<const std::byte> bytes);

/// Fills `into` completely; `unavailable` when the stream ends before.
async::Task<Result<void>> read_exactly(Stream& stream, std::span<std::byte> into);

}  // namespace swarm::transport
