#pragma once

#include <sys/stat.h>

#include <string>
#include <utility>

#include "protocol/async/fd.hpp"
#include "protocol/transport/stream.hpp"

namespace swarm::transport {

/// sockaddr_un holds 108 bytes with the terminating NUL (unix(7)).
inline constexpr std::size_t kMaxSocketPath = 107;

/// A stream over a connected socket (or any descriptor that reads and writes).
class FdStream final : public Stream {
 public:
  FdStream(async::Loop& loop, UniqueFd fd);

  async::Task<Result<std::size_t>> read(std::span<std::byte> into) override { return fd_.read(into); }
  Result<std::size_t> try_write(std::span<const std::byte> bytes) override { return fd_.try_write(bytes); }
  async::Task<> writable() override;
  async::Task<> gone() override;
  void shutdown_write() override;
  void break_off() override;
  [[nodiscard]] std::optional<PeerCredentials> peer() const override { return peer_; }
  [[nodiscard]] std::string describe() const override;

 private:
  async::Fd fd_;
  std::optional<PeerCredentials> peer_;
};

/// Accepts connections on a Unix socket.
class UnixListener {
 public:
  /// Takes a listening descriptor (socket activation, or handed down to a sandbox).
  UnixListener(async::Loop& loop, UniqueFd fd);

  /// The next connection. Out of descriptors is `resource_exhausted`; accepting may go on after a pause.
  async::Task<Result<std::unique_ptr<FdStream>>> accept();

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  async::Loop& loop_;
  UniqueFd fd_;
  async::FdWatcher watcher_;
};

/// Makes a listening Unix socket with exactly `mode`, inside a directory that should be 0700 already (the mode is set
/// between bind and listen). Errors: the path is too long, exists, or cannot be made.
Result<UniqueFd> bind_unix(const std::string& path, mode_t mode);

/// Connects; `unavailable` when nobody listens, `not_found` when there is no such socket.
async::Task<Result<std::unique_ptr<FdStream>>> connect_unix(async::Loop& loop, std::string path);

/// Two connected sockets, for tests and for children.
Result<std::pair<UniqueFd, UniqueFd>> socket_pair();

}  // namespace swarm::transport
