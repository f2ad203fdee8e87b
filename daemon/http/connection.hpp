#pragma once
// Inside of the server: one client's connection, of either version.

#include <memory>

#include "daemon/http/body.hpp"
#include "daemon/http/exchange.hpp"
#include "daemon/http/tls.hpp"
#include "protocol/async/task_set.hpp"

namespace swarm::http {

/// A client's byte stream, and who is at its end.
class Wire {
 public:
  std::unique_ptr<transport::Stream> stream;
  TlsStream* tls = nullptr;  ///< `stream`, where it is TLS
  std::string peer;

  /// Writes everything; `deadline_exceeded` when the client takes nothing for `patience`.
  async::Task<Result<void>> send(async::Loop& loop, std::string bytes, Duration patience);

 private:
  static async::Task<Result<void>> wait_writable(transport::Stream& stream) {
    co_await stream.writable();
    co_return {};
  }
};

/// Serves requests until the client goes or `stop` was called and the last of them is answered.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual async::Task<> run() = 0;
  /// Takes no new request; ends when those in flight have ended.
  virtual void stop() = 0;
};

struct ConnectionSetup {
  async::Loop& loop;
  const Limits& limits;
  Handler& handler;
  Wire wire;
};

std::unique_ptr<Connection> make_http1(ConnectionSetup setup);
std::unique_ptr<Connection> make_http2(ConnectionSetup setup);

/// The fields of an answer that may go out; what could break the framing is left out.
Headers clean_fields(const Headers& headers);

}  // namespace swarm::http
