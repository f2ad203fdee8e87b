#include "protocol/wire/router.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "protocol/api/discover.hpp"
#include "protocol/api/registry.hpp"
#include "protocol/async/event.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::wire {
namespace {

bool may_call(Peer::Kind kind, api::Caller caller) {
  switch (caller) {
    case api::Caller::both:
      return true;
    case api::Caller::host:
      return kind == Peer::Kind::host;
    case api::Caller::tunnel:
      return kind == Peer::Kind::sandbox;
    case api::Caller::daemon:
      return kind == Peer::Kind::daemon;
  }
  return false;
}

std::string_view described(Peer::Kind kind) {
  switch (kind) {
    case Peer::Kind::host:
      return "clients on the host";
    case Peer::Kind::sandbox:
      return "callers inside a sandbox";
    case Peer::Kind::daemon:
      return "the daemon";
  }
  return "this caller";
}

/// Answered by the router itself.
constexpr std::array<const api::MethodInfo*, 4> kOwn = {&api::kRpcHello, &api::kRpcDiscover, &api::kRpcPing,
                                                        &api::kRpcLastError};

template <class Req, class Res, class F>
Result<Value> answer(const api::Method<Req, Res>& method, Value params, F handler) {
  Result<api::Call<Req>> call = api::decode_call(method, std::move(params));
  if (!call) return fail(call.error());
  const Result<Res> result = handler(std::move(call->request));
  if (!result) return fail(result.error());
  return api::encode(*result);
}

std::vector<std::string> common_features(const std::vector<std::string>& ours, const std::vector<std::string>& theirs) {
  std::vector<std::string> common;
  for (const std::string& feature : ours) {
    if (std::ranges::find(theirs, feature) != theirs.end()) common.push_back(feature);
  }
  return common;
}

/// The parameter by which this call opens a stream, if it opens one.
const api::FieldInfo* stream_of(const api::TypeInfo& type, const void* request) {
  for (const api::FieldInfo& field : type.fields) {
    if (field.stream == api::StreamUse::none) continue;
    const api::TypeInfo& number = field.type();
    if (number.kind != api::TypeKind::optional) return &field;
    if (number.size(static_cast<const char*>(request) + field.offset) != 0) return &field;
  }
  return nullptr;
}

/// A call with a key, and whoever made it. They may part.
struct Waited {
  explicit Waited(async::Loop& loop) : done(loop) {}
  async::Event done;
  Result<Value> answer{Value()};
};

async::Task<> make(std::shared_ptr<Waited> call, async::Task<Result<Value>> task) {
  try {
    call->answer = co_await std::move(task);
  } catch (const std::exception& e) {
    call->answer = fail(Code::internal, e.what());
  }
  call->done.set();
}

async::Task<Result<Value>> answer_of(std::shared_ptr<Waited> call) {
  co_await call->done.wait();
  co_return std::move(call->answer);
}

}  // namespace

std::string key_scope(const Peer& peer) {
  const std::string uid = peer.credentials ? fmt::format("uid:{}", peer.credentials->uid) : std::string();
  switch (peer.kind) {
    case Peer::Kind::host:
      return uid.empty() ? "host" : uid;
    case Peer::Kind::sandbox:
      return uid.empty() ? "sandbox:" + peer.sandbox : fmt::format("sandbox:{}/{}", peer.sandbox, uid);
    case Peer::Kind::daemon:
      return "daemon";
  }
  return uid;
}

std::optional<CallKey> call_key(const CallContext& context, const api::MethodInfo& method, const void* request) {
  if (!context.common.idempotency_key) return std::nullopt;
  return CallKey{.scope = key_scope(context.peer),
                 .key = *context.common.idempotency_key,
                 .method = std::string(method.name),
                 .arguments = encode(api::encode_from(method.request(), request))};
}

Router::Router(ServerInfo info, const Clock& clock, AnswerBook* book)
    : info_(std::move(info)), clock_(clock), book_(book) {}

Router::~Router() = default;

void Router::add(const api::MethodInfo& method, Route route) {
  const bool own = std::ranges::find(kOwn, method.name, &api::MethodInfo::name) != kOwn.end();
  if (own || !routes_.emplace(method.name, std::move(route)).second) {
    throw std::logic_error(fmt::format("method '{}' is bound twice", method.name));
  }
}

std::vector<const api::MethodInfo*> Router::methods_for(Peer::Kind kind) const {
  std::vector<const api::MethodInfo*> methods(kOwn.begin(), kOwn.end());
  for (const auto& [name, route] : routes_) {
    if (may_call(kind, route.info->caller)) methods.push_back(route.info);
  }
  std::ranges::sort(methods, {}, &api::MethodInfo::name);
  return methods;
}

Reply Router::request(Connection& connection, PeerHandler& from, Incoming incoming) {
  const auto found = routes_.find(incoming.method);
  if (found == routes_.end()) {
    for (const api::MethodInfo* own : kOwn) {
      if (own->name == incoming.method) return own_method(connection, from, *own, std::move(incoming.params));
    }
    return Result<Value>(fail(api::unknown_method(methods_for(from.peer_.kind), incoming.method)));
  }
  Route& route = found->second;
  if (!may_call(from.peer_.kind, route.info->caller)) {
    return Result<Value>(
        fail(Code::permission_denied, fmt::format("'{}' is not for {}", route.info->name, described(from.peer_.kind))));
  }
  return route.call(
      CallContext{
          .connection = connection, .peer = from.peer_, .method = route.info->name, .common = {}, .from = &from},
      std::move(incoming.params));
}

Reply Router::once(const CallContext& context, const api::MethodInfo& method, const void* request,
                   std::move_only_function<Reply()> make_call) {
  if (const api::FieldInfo* stream = stream_of(method.request(), request)) {
    return Result<Value>(fail(Code::invalid_argument,
                              fmt::format("'{}' cannot be given with idempotency_key: what passes through a stream "
                                          "cannot be given again; leave out one of the two",
                                          stream->name)));
  }
  auto call = std::make_shared<Waited>(context.connection.loop());
  std::optional<async::TaskSet>& keyed = context.from->keyed_;
  if (!keyed) keyed.emplace(context.connection.loop());
  keyed->spawn(make(call, book_->once(*call_key(context, method, request),
                                      {.make = std::move(make_call), .untouched = context.untouched})));
  return answer_of(call);
}

async::Task<> PeerHandler::settled() {
  if (keyed_) co_await keyed_->join();
}

void PeerHandler::drop_calls() {
  if (keyed_) keyed_->cancel_all();
}

void Router::notification(Connection& connection, PeerHandler& from, Incoming incoming) {
  const auto found = listeners_.find(incoming.method);
  if (found == listeners_.end()) return;
  CallContext context{.connection = connection, .peer = from.peer_, .method = found->first, .common = {}};
  const Result<void> taken = found->second(context, std::move(incoming.params));
  if (!taken) connection.close(taken.error().with_context(incoming.method));
}

Result<Value> Router::own_method(Connection& connection, PeerHandler& from, const api::MethodInfo& method,
                                 Value params) {
  if (&method == &api::kRpcHello) {
    return answer(api::kRpcHello, std::move(params), [&](api::RpcHelloRequest request) {
      connection.set_error_shape(request.errors == api::ErrorShape::map ? ErrorShape::map : ErrorShape::pair);
      from.greeting_ = {.client = std::move(request.client),
                        .version = std::move(request.version),
                        .features = common_features(info_.features, request.features)};
      return Result<api::RpcHelloReply>(api::RpcHelloReply{.server = info_.name,
                                                           .version = info_.version,
                                                           .features = from.greeting_.features,
                                                           .max_frame_bytes = connection.limits().max_frame_bytes,
                                                           .stream_window_bytes = kInitialCredit});
    });
  }
  if (&method == &api::kRpcDiscover) {
    return answer(api::kRpcDiscover, std::move(params), [&](const api::RpcDiscoverRequest& request) {
      return Result<api::RpcDiscoverReply>(
          api::discover(methods_for(from.peer_.kind), api::all_events(), api::all_notifications(), request.prefix));
    });
  }
  if (&method == &api::kRpcPing) {
    return answer(api::kRpcPing, std::move(params), [this](api::RpcPingRequest request) {
      return Result<api::RpcPingReply>(api::RpcPingReply{.time_us = clock_.wall().us, .data = std::move(request.data)});
    });
  }
  return answer(api::kRpcLastError, std::move(params),
                [&connection](const api::Empty&) -> Result<api::RpcLastErrorReply> {
                  const std::optional<Failure>& last = connection.last_error();
                  if (!last) return fail(Code::not_found, "no call has failed on this connection");
                  return api::RpcLastErrorReply{.error = api::to_error_info(last->error), .method = last->method};
                });
}

}  // namespace swarm::wire
