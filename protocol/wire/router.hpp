#pragma once
// From method constants to handlers: checks who may call, decodes strictly, calls, encodes. Handlers see structs.
//
//   Router router({.name = "swarmd", ...}, clock);
//   router.bind(api::kSandboxInfo, [&domain](CallContext& c, api::SandboxInfoRequest r) { return domain.info(c, r); });
//   PeerHandler handler(router, Peer{...});   // one for each connection
//   Connection connection(loop, std::move(stream), Side::acceptor, limits, &handler);
//
// `rpc.hello`, `rpc.discover`, `rpc.ping` and `rpc.last_error` are answered here.

#include <concepts>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/api/codec.hpp"
#include "protocol/api/method.hpp"
#include "protocol/api/rpc.hpp"
#include "protocol/core/clock.hpp"
#include "protocol/wire/connection.hpp"
#include "protocol/wire/once.hpp"

namespace swarm::wire {

/// Who is at the other end of a connection. Never taken from what the peer says: the kernel and the handshake know.
struct Peer {
  enum class Kind : std::uint8_t {
    host,     ///< a client of the daemon on the host
    sandbox,  ///< something inside a sandbox: its tunnel at the daemon, a program at its agentd
    daemon,   ///< the daemon, at an agentd
  };
  Kind kind = Kind::host;
  std::optional<transport::PeerCredentials> credentials;  ///< where the transport is a socket
  std::string sandbox;                                    ///< of a tunnel: the id that its handshake proved
};

class PeerHandler;

/// One call, for its handler. Lives until the handler's task has ended.
struct CallContext {
  Connection& connection;
  const Peer& peer;
  std::string_view method;
  /// `idempotency_key`, in methods that change something.
  api::CommonFields common;
  PeerHandler* from = nullptr;
  std::shared_ptr<bool> untouched = nullptr;

  /// Says of a call that is about to fail that it changed nothing, where the error alone leaves that open: with a key
  /// it may then be made again.
  void nothing_done() const {
    if (untouched != nullptr) *untouched = true;
  }
};

/// Whose keys a peer's are.
std::string key_scope(const Peer& peer);

/// The key of this call, for a handler that honours it; nullopt when it has none. `request` as it was decoded.
std::optional<CallKey> call_key(const CallContext& context, const api::MethodInfo& method, const void* request);

/// What `rpc.hello` says about this end.
struct ServerInfo {
  std::string name;
  std::string version;
  std::vector<std::string> features;
};

/// What the peer has said about itself, for logs and for choosing features. Nothing of it is proven.
struct Greeting {
  std::string client;
  std::string version;
  std::vector<std::string> features;  ///< those that both ends know
};

/// A handler of a method: a plain function, or one that gives a task.
template <class F, class Req, class Res>
concept PlainHandler = std::same_as<std::invoke_result_t<F&, CallContext&, Req>, Result<Res>>;
template <class F, class Req, class Res>
concept TaskHandler = std::same_as<std::invoke_result_t<F&, CallContext&, Req>, async::Task<Result<Res>>>;

/// The methods that one program serves; shared by all its connections and longer-lived than them.
class Router {
 public:
  /// `book` keeps the answers of calls with a key and outlives the router; without one such calls are made like any
  /// other.
  Router(ServerInfo info, const Clock& clock, AnswerBook* book = nullptr);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;
  ~Router();

  /// Serves `method` with `handler`, which is `Result<Res>(CallContext&, Req)` or `Task<Result<Res>>(CallContext&,
  /// Req)`; no coroutine lambda with captures. The constant and what the handler refers to must outlive the router.
  /// Binding a name twice is a bug and throws std::logic_error.
  template <class Req, class Res, class F>
    requires PlainHandler<F, Req, Res> || TaskHandler<F, Req, Res>
  void bind(const api::Method<Req, Res>& method, F handler, Keys keys = Keys::by_router) {
    // Shared with the tasks that run it: a route may be the last to know that a lambda must outlive its coroutine.
    auto shared = std::make_shared<F>(std::move(handler));
    add(method, Route{.info = &method, .call = [this, &method, keys, shared](CallContext context, Value params) {
                        return start<Req, Res>(shared, method, keys, std::move(context), std::move(params));
                      }});
  }

  /// Serves `method` with its parameters as they came, for who passes them on to somebody that knows what they mean.
  /// Only who may call is checked here.
  void bind_raw(const api::MethodInfo& method, std::function<Reply(CallContext, Value params)> handler) {
    add(method, Route{.info = &method, .call = [handler = std::move(handler)](CallContext context, Value params) {
                        return handler(std::move(context), std::move(params));
                      }});
  }

  /// Calls `handler`, a `void(CallContext&, Params)`, for each of these notifications. One with wrong parameters ends
  /// its connection; one that nobody bound is ignored, since the peer may be newer.
  template <class Params, class F>
  void bind_notification(const api::Notification<Params>& notification, F handler) {
    listeners_[notification.name] = [handler = std::move(handler)](CallContext& context, Value params) mutable {
      Result<Value> arguments = api::named_arguments(std::move(params));
      if (!arguments) return Result<void>(fail(arguments.error()));
      Result<Params> decoded = api::decode_reply<Params>(std::move(*arguments));
      if (!decoded) return Result<void>(fail(decoded.error()));
      handler(context, std::move(*decoded));
      return Result<void>();
    };
  }

  /// Every bound method that such a peer may call, by name.
  [[nodiscard]] std::vector<const api::MethodInfo*> methods_for(Peer::Kind kind) const;

 private:
  friend PeerHandler;
  struct Route {
    const api::MethodInfo* info = nullptr;
    std::move_only_function<Reply(CallContext, Value)> call;
  };

  void add(const api::MethodInfo& method, Route route);
  Reply request(Connection& connection, PeerHandler& from, Incoming incoming);
  void notification(Connection& connection, PeerHandler& from, Incoming incoming);
  Result<Value> own_method(Connection& connection, PeerHandler& from, const api::MethodInfo& method, Value params);

  template <class Req, class Res, class F>
  Reply start(std::shared_ptr<F> handler, const api::Method<Req, Res>& method, Keys keys, CallContext context,
              Value params) {
    Result<api::Call<Req>> call = api::decode_call(method, std::move(params));
    if (!call) return Result<Value>(fail(call.error()));
    context.common = std::move(call->common);
    if (keys == Keys::by_router && book_ != nullptr && context.common.idempotency_key) {
      auto request = std::make_shared<Req>(std::move(call->request));
      const void* read = request.get();
      context.untouched = std::make_shared<bool>(false);
      return once(context, method, read, [handler, context, request]() mutable {
        return serve<Req, Res>(std::move(handler), std::move(context), std::move(*request));
      });
    }
    return serve<Req, Res>(std::move(handler), std::move(context), std::move(call->request));
  }

  template <class Req, class Res, class F>
  static Reply serve(std::shared_ptr<F> handler, CallContext context, Req request) {
    if constexpr (PlainHandler<F, Req, Res>) {
      const Result<Res> result = (*handler)(context, std::move(request));
      if (!result) return Result<Value>(fail(result.error()));
      return Result<Value>(api::encode(*result));
    } else {
      return answer_task<Req, Res>(std::move(handler), std::move(context), std::move(request));
    }
  }

  template <class Req, class Res, class F>
  static async::Task<Result<Value>> answer_task(std::shared_ptr<F> handler, CallContext context, Req request) {
    async::Task<Result<Res>> task = (*handler)(context, std::move(request));
    const Result<Res> result = co_await std::move(task);
    if (!result) co_return fail(result.error());
    co_return api::encode(*result);
  }

  /// Makes a call with a key through the book. The call goes on when its caller gives up or goes away.
  Reply once(const CallContext& context, const api::MethodInfo& method, const void* request,
             std::move_only_function<Reply()> make);

  ServerInfo info_;
  const Clock& clock_;
  AnswerBook* book_;
  std::unordered_map<std::string_view, Route> routes_;
  std::unordered_map<std::string_view, std::move_only_function<Result<void>(CallContext&, Value)>> listeners_;
};

/// Lets a router answer one connection. Must outlive the connection.
class PeerHandler final : public Handler {
 public:
  PeerHandler(Router& router, Peer peer) : router_(router), peer_(std::move(peer)) {}

  Reply request(Connection& connection, Incoming incoming) override {
    return router_.request(connection, *this, std::move(incoming));
  }
  void notification(Connection& connection, Incoming incoming) override {
    router_.notification(connection, *this, std::move(incoming));
  }

  /// Completes when every call with a key that its caller did not wait for has ended. The connection must live until
  /// then, although it has ended, or until `drop_calls`.
  async::Task<> settled();
  void drop_calls();
  /// Calls with a key that are being made.
  [[nodiscard]] std::size_t keyed_calls() const { return keyed_ ? keyed_->size() : 0; }

  [[nodiscard]] const Peer& peer() const { return peer_; }
  /// What `rpc.hello` said; empty before.
  [[nodiscard]] const Greeting& greeting() const { return greeting_; }

 private:
  friend Router;
  Router& router_;
  Peer peer_;
  Greeting greeting_;
  std::optional<async::TaskSet> keyed_;  // made when the first comes
};

}  // namespace swarm::wire
