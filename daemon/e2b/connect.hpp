#pragma once
// The Connect protocol's server side, as envd speaks it: unary JSON, and streams of envelopes in JSON
// (connectrpc.com/docs/protocol). Messages are compressed both ways where the client says so. Proto encoding is not
// spoken: 415, which clients of Connect understand.

#include "daemon/http/exchange.hpp"
#include "protocol/api/json.hpp"
#include "protocol/core/value.hpp"

namespace swarm::e2b_endpoint {

/// Between two signs of life in a stream that says nothing, where the caller names no other time: envd's default.
inline constexpr Duration kKeepalive = std::chrono::seconds(90);

/// A failure with one of Connect's codes.
struct RpcError {
  std::string code;
  std::string message;
};
template <class T>
using RpcResult = std::expected<T, RpcError>;

RpcError rpc_error(const Error& error);
inline std::unexpected<RpcError> rpc_fail(std::string code, std::string message) {
  return std::unexpected(RpcError{.code = std::move(code), .message = std::move(message)});
}
/// The HTTP status of a code in a unary answer.
int status_of_code(std::string_view code);

/// One message with its 5 bytes in front.
std::string envelope(std::uint8_t flags, std::string_view payload);
/// The message that ends a stream; with a failure or cleanly.
std::string end_of_stream(const RpcError* error);

/// What a request's fields say about how it is spoken; a refusal has been sent when nothing comes back.
struct CallHead {
  bool stream = false;
  std::optional<Duration> timeout;
  std::optional<Duration> keepalive;
};
async::Task<std::optional<CallHead>> read_head(http::Exchange& exchange, bool stream);

/// The one message of a unary or server-streaming request; none, or more than one, is `unimplemented`, as Connect has
/// it.
async::Task<RpcResult<Value>> read_message(http::Exchange& exchange, bool stream);

/// Takes the envelopes of a client's stream apart as they come.
class EnvelopeReader {
 public:
  explicit EnvelopeReader(http::Exchange& exchange) : exchange_(exchange) {}
  /// The next message; nothing at the end.
  async::Task<RpcResult<std::optional<Value>>> next();

 private:
  http::Exchange& exchange_;
  std::string buffer_;
};

/// Answers a unary call.
async::Task<> answer_unary(http::Exchange& exchange, RpcResult<Value> result);

/// Sends messages of a stream; begins the answer with the first.
class StreamWriter {
 public:
  explicit StreamWriter(http::Exchange& exchange);
  async::Task<bool> send(Value message);
  /// The last envelope, and the end of the answer.
  async::Task<> finish(std::optional<RpcError> error = std::nullopt);

 private:
  async::Task<bool> begin();
  http::Exchange& exchange_;
  bool compresses_;
};

}  // namespace swarm::e2b_endpoint
