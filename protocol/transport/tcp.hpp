#pragma once

#include <cstdint>
#include <string>

#include "protocol/async/fd.hpp"
#include "protocol/transport/unix.hpp"

namespace swarm::transport {

/// Which addresses may be used. Listening beyond loopback opens a port to the network; connecting beyond it lets
/// whoever chose the target use our place in the network.
enum class Reach : std::uint8_t { loopback, anywhere };

/// A host and port, the host as an address ("127.0.0.1", "::1", without brackets) or a name.
struct TcpAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool operator==(const TcpAddress&) const = default;

  /// "127.0.0.1:80", "[::1]:80".
  [[nodiscard]] std::string to_string() const;
};

/// Accepts TCP connections.
class TcpListener {
 public:
  /// Listens; port 0 takes a free one. "localhost" is 127.0.0.1. `permission_denied` outside `reach` or for a port
  /// that needs privilege, `already_exists` when the port is taken, `invalid_argument` for what is no address.
  static Result<std::unique_ptr<TcpListener>> listen(async::Loop& loop, const TcpAddress& at,
                                                     Reach reach = Reach::loopback);

  struct Accepted {
    std::unique_ptr<FdStream> stream;
    TcpAddress peer;
  };

  /// The next connection. Out of descriptors is `resource_exhausted`; accepting may go on after a pause.
  async::Task<Result<Accepted>> accept();

  /// Where it listens, with the port that was taken.
  [[nodiscard]] const TcpAddress& address() const { return address_; }

 private:
  TcpListener(async::Loop& loop, UniqueFd fd, TcpAddress address);

  async::Loop& loop_;
  UniqueFd fd_;
  async::FdWatcher watcher_;
  TcpAddress address_;
};

/// Connects. A name is looked up on the thread pool and its addresses are tried in order; "localhost" is both loopback
/// addresses, without a lookup. `unavailable` when nobody listens there, `not_found` for an unknown name,
/// `permission_denied` outside `reach`. Give it a deadline: the kernel's own is minutes.
async::Task<Result<std::unique_ptr<FdStream>>> connect_tcp(async::Loop& loop, TcpAddress to,
                                                           Reach reach = Reach::loopback);

}  // namespace swarm::transport
