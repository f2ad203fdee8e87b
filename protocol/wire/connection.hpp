#pragma once
// MessagePack-RPC over any Stream, to the letter of its specification, in both directions:
//
//   request       [0, msgid, method, params]
//   response      [1, msgid, error, result]
//   notification  [2, method, params]
//
// Requests are answered out of order. A request is cancelled by the notification `rpc.cancel [msgid]`; bytes of any
// length travel beside requests as streams (see stream.hpp). A message that breaks the protocol closes its own
// connection, with an answer first where the stream is still in step.

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "protocol/async/task_set.hpp"
#include "protocol/core/value.hpp"
#include "protocol/transport/stream.hpp"
#include "protocol/wire/byte_stream.hpp"
#include "protocol/wire/limits.hpp"

namespace swarm::wire {

class Connection;

/// A request or notification that came in.
struct Incoming {
  std::string method;
  Value params;             ///< as it came; the router makes `{}` of nil, `[]` and absence
  std::uint32_t msgid = 0;  ///< of a request; 0 in a notification
};

/// What a handler gives back: the answer itself, or a task that will have it. A task is dropped when the caller cancels
/// or the connection ends.
using Reply = std::variant<Result<Value>, async::Task<Result<Value>>>;

/// Answers what comes in on a connection. Must outlive it.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual Reply request(Connection& connection, Incoming incoming) = 0;
  virtual void notification(Connection& connection, Incoming incoming) = 0;
};

/// Which end of the transport this is; it decides the parity of the stream ids that this end opens.
enum class Side { dialer, acceptor };

/// How failures look on the wire (`rpc.hello {errors}`).
enum class ErrorShape {
  pair,  ///< [0, "<code>: <message>"], the default and the only shape that Neovim shows
  map,   ///< {code, message, retryable}
};

class Connection {
 public:
  /// Nothing happens until `run()`. `handler` may be null: every request is then `unimplemented`.
  Connection(async::Loop& loop, std::unique_ptr<transport::Stream> stream, Side side, const Limits& limits,
             Handler* handler);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  /// Drops every request in flight in both directions.
  ~Connection();

  /// Reads and answers until the peer ends, breaks the protocol, or `close()`; gives the reason. Calls that wait for an
  /// answer then fail with `unavailable`. Run it exactly once.
  async::Task<Error> run();

  /// Calls the peer. Errors of the peer come back with their code; `unavailable` when the connection ends first.
  /// Dropping the task sends `rpc.cancel`.
  async::Task<Result<Value>> call(std::string method, Value params);

  /// Sends a notification. `resource_exhausted` when more than `Limits::max_output_bytes` wait for a slow peer;
  /// `unavailable` when the connection has ended. Never waits.
  Result<void> notify(std::string_view method, Value params);

  /// Completes when the output that waits for the peer is below half its limit.
  async::Task<> output_drained();

  /// A stream id that this end may open: odd for the dialer, even for the acceptor, never one in use.
  std::uint32_t new_stream_id();

  /// Starts to receive the bytes of stream `id` (either end chose it). `already_exists` when it is open.
  Result<std::unique_ptr<ByteSource>> open_source(std::uint32_t id);

  /// Starts to send bytes on stream `id`. `already_exists` when it is open.
  Result<std::unique_ptr<ByteSink>> open_sink(std::uint32_t id);

  /// Ends the connection from this side, once what is queued has been sent or the peer has had `linger` to take it.
  void close(Error reason);

  void set_error_shape(ErrorShape shape);
  /// The last failure that was sent to the peer, for `rpc.last_error`.
  [[nodiscard]] const std::optional<Error>& last_error() const;

  [[nodiscard]] async::Loop& loop();
  [[nodiscard]] std::optional<transport::PeerCredentials> peer() const;
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] bool closed() const;

  /// Owns work that shall end with the connection (subscriptions, relays).
  async::TaskSet& tasks();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace swarm::wire
