#pragma once
// An HTTP server on the loop. It knows requests and answers, nothing of what they are about.
//
//   Server ── accepts, TLS with ALPN, limits ──> Http1Connection | Http2Connection ── one Exchange a request ──>
//   Handler
//
// HTTP/2 framing and its header compression are nghttp2's, HTTP/1 is parsed by http-parser, TLS is OpenSSL's: all three
// work on bytes that they are handed and do no I/O, so that waiting, deadlines, back-pressure and cancelling stay ours.
//
// A handler is a coroutine. When the client goes, or the server ends, it is dropped where it waits. Both bodies are
// streams: a slow client slows the handler that writes, a slow handler slows the client that sends.

#include <memory>
#include <string>

#include "daemon/http/message.hpp"
#include "protocol/async/task.hpp"
#include "protocol/core/clock.hpp"
#include "protocol/core/error.hpp"
#include "protocol/transport/stream.hpp"

namespace swarm::http {

/// What one connection and one request may take.
struct Limits {
  std::size_t header_bytes = std::size_t{64} * 1024;   ///< request line and fields together
  std::size_t connections = 1024;                      ///< more are accepted and closed at once
  std::uint32_t streams = 128;                         ///< requests at once on an HTTP/2 connection
  std::size_t window_bytes = std::size_t{256} * 1024;  ///< of a body that nobody has read yet
  Duration handshake = std::chrono::seconds(10);       ///< TLS
  Duration header = std::chrono::seconds(15);          ///< from the first byte to the end of the fields
  Duration idle = std::chrono::seconds(120);           ///< between requests
  Duration body_stall = std::chrono::seconds(120);     ///< a handler waits for the next bytes of a body
  Duration write_stall = std::chrono::minutes(10);     ///< the client takes nothing of an answer
};

/// One request and its answer. Belongs to the connection; lives as long as the handler's task.
class Exchange {
 public:
  explicit Exchange(Request request) : request_(std::move(request)) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;

  [[nodiscard]] const Request& request() const { return request_; }

  /// The next bytes of the body; nothing at its end. `unavailable` when the client went, `deadline_exceeded` when it
  /// stalls, `invalid_argument` when the body is malformed.
  virtual async::Task<Result<std::optional<std::string>>> read() = 0;

  /// Begins the answer, once. Without a `content-length` the body is chunked, or ended by the connection's end.
  virtual async::Task<Result<void>> begin(Answer answer) = 0;
  /// Sends a part of the body; waits while the client is slow.
  virtual async::Task<Result<void>> write(std::string bytes) = 0;
  /// Ends the answer cleanly. Without it the client sees a broken answer when the handler ends.
  virtual async::Task<Result<void>> end() = 0;
  [[nodiscard]] virtual bool begun() const = 0;

  /// Answers with 101 and gives the connection itself, for as long as the handler runs. HTTP/1.1 only:
  /// `failed_precondition` otherwise.
  virtual async::Task<Result<transport::Stream*>> upgrade(Headers headers) = 0;

  /// A whole answer.
  async::Task<Result<void>> respond(Answer answer, std::string body);
  /// The whole body; `out_of_range` when it is longer than `limit`.
  async::Task<Result<std::string>> read_all(std::size_t limit);

 private:
  Request request_;
};

/// Answers requests; outlives the server.
class Handler {
 public:
  virtual ~Handler() = default;
  /// `exchange` lives until the task ends or is dropped. One that ends without an answer gives a 500.
  virtual async::Task<> serve(Exchange& exchange) = 0;
};

}  // namespace swarm::http
