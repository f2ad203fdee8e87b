#pragma once
// MessagePack-RPC over any Stream, to the letter of its specification, in both directions:
//
//   request       [0, msgid, method, params]
//   response      [1, msgid, error, result]
//   notification  [2, method, params]
//
// Requests are answered out of order. A request is cancelled by the notification `rpc.cancel [msgid]`; bytes of any
// length travel beside requests as streams (see byte_stream.hpp). A request that cannot be understood is answered and
// the connection goes on; a message that breaks the protocol closes its own connection, after a notification
// `rpc.error [{code, message, retryable}]` that says why.
//
// Back-pressure. A request is not taken, and nothing behind it is read, while the peer has too many unanswered requests
// or does not take its answers (`Limits`). What causes no output (answers, credit, bytes within their credit,
// cancelling) is read all the same, so two ends that are both busy do not block each other.
//
// The peer's end of the stream ends the connection: what its calls were doing is dropped. What was answered before is
// still sent.

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "protocol/async/task_set.hpp"
#include "protocol/core/value.hpp"
#include "protocol/transport/stream.hpp"
#include "protocol/wire/byte_stream.hpp"
#include "protocol/wire/limits.hpp"
#include "protocol/wire/message.hpp"
#include "protocol/wire/streams.hpp"

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
  /// An exception is answered with `internal`.
  virtual Reply request(Connection& connection, Incoming incoming) = 0;
  /// All but `rpc.cancel` and `stream.*`, which the connection takes itself.
  virtual void notification(Connection& connection, Incoming incoming) = 0;
};

/// A failure that a request was answered with.
struct Failure {
  Error error;
  std::string method;
};

/// One peer. Destroy it from outside of its own handlers and tasks only: these call `close()`, and whoever owns the
/// connection destroys it when `run()` has ended.
class Connection {
 public:
  /// Nothing happens until `run()`. `handler` may be null: every request is then `unimplemented`.
  Connection(async::Loop& loop, std::unique_ptr<transport::Stream> stream, Side side, const Limits& limits,
             Handler* handler);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  /// Drops every request in flight in both directions.
  ~Connection();

  /// Reads and answers until the peer ends, breaks the protocol, or `close()`; gives the reason. By then handlers'
  /// tasks and `tasks()` are dropped, calls that waited for an answer fail with `unavailable`, and streams have ended.
  /// Run it exactly once; the connection may be destroyed while it runs, which ends it.
  async::Task<Error> run();

  /// Calls the peer. The request is sent at once, not only when the task is awaited, so that bytes of a stream that it
  /// names come behind it. Errors of the peer come back with their code; `unavailable` when the connection ends first;
  /// `resource_exhausted` when the request is larger than one message may be. Waits with sending while more than
  /// `Limits::max_output_bytes` wait for the peer. Dropping the task sends `rpc.cancel`.
  async::Task<Result<Value>> call(std::string method, Value params);

  /// Sends a notification. `resource_exhausted` when more than `Limits::max_output_bytes` wait for a slow peer, or when
  /// it is larger than one message may be; `unavailable` when the connection has ended. Never waits.
  Result<void> notify(std::string_view method, const Value& params);

  /// Completes when the output that waits for the peer is below half its limit, or the connection has ended.
  async::Task<> output_drained();

  /// A stream id that this end may open: odd for the dialer, even for the acceptor, never one that was used before.
  std::uint32_t new_stream_id();

  /// Starts to receive the bytes of stream `id` (either end chose it). `already_exists` when it is open,
  /// `resource_exhausted` when too many are, `unavailable` when the connection has ended.
  Result<std::unique_ptr<ByteSource>> open_source(std::uint32_t id);

  /// Starts to send bytes on stream `id`. Errors as for `open_source`.
  Result<std::unique_ptr<ByteSink>> open_sink(std::uint32_t id);

  /// Ends the connection from this side, once what is queued has been sent or the peer has had `Limits::linger` to take
  /// it. Safe from anywhere.
  void close(Error reason);

  /// Ends it at once and fails whatever waits for an answer: for an owner that gave up its `run()`, which would do that
  /// when the connection ends. What is queued is not sent.
  void abandon(Error reason);

  void set_error_shape(ErrorShape shape);
  /// The last failure that was sent to the peer, for `rpc.last_error`; a failure of that method itself is not kept.
  [[nodiscard]] const std::optional<Failure>& last_error() const;

  [[nodiscard]] async::Loop& loop();
  [[nodiscard]] const Limits& limits() const;
  [[nodiscard]] std::optional<transport::PeerCredentials> peer() const;
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] bool closed() const;
  /// Requests of the peer that have no answer yet.
  [[nodiscard]] std::size_t requests_in_flight() const;

  /// Completes when no request of the peer waits for its answer, or the connection has ended.
  async::Task<> requests_answered();

  /// Owns work that shall end with the connection (subscriptions, relays).
  async::TaskSet& tasks();

  struct State;  // connection_state.hpp: for the .cpp files

 private:
  std::shared_ptr<State> state_;  // shared with run() and with calls that wait, which may end after the connection
};

}  // namespace swarm::wire
