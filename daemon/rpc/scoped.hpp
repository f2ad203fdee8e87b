#pragma once
// Methods on a swarm that two kinds of callers have: clients on the host, who say which swarm is meant, and programs of
// its sandbox, whose calls come up the tunnel. What comes from a tunnel is kept to the swarm of that sandbox whatever
// it says, and the agent in it is the one that its agentd knows from the kernel.
//
//   add_scoped(routers, homes, api::kTaskShow, [&engine](const Scope& scope, api::FromAgent<api::TaskRef> request) {
//     return engine.show(scope.home.swarm, std::move(request));
//   });

#include <fmt/format.h>

#include "daemon/team/homes.hpp"
#include "protocol/api/from_agent.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::rpc {

/// The two faces of the daemon.
struct Routers {
  wire::Router& host;
  wire::Router& tunnel;
};

/// Where a call holds, and who makes it.
struct Scope {
  team::Home home;
  std::string agent;             ///< empty: a person on the host
  std::optional<CallKey> key{};  ///< the call's, for a handler that honours it
};

/// What a call may act on, and with whose name. Sets the request's `swarm` to that swarm's id, and its `agent` to the
/// scope's. `permission_denied` for a client that says it is an agent, for a sandbox that is no swarm's home, and for
/// one that speaks for an agent of another sandbox.
template <class Req>
Result<Scope> scope_of(const team::Homes& homes, const wire::CallContext& call, Req& request) {
  constexpr bool kKnowsAgent = requires { request.agent.has_value(); };
  Scope scope;
  if (call.peer.kind == wire::Peer::Kind::sandbox) {
    std::optional<team::Home> home = homes.of_sandbox(call.peer.sandbox);
    if (!home) {
      return fail(Code::permission_denied, fmt::format("sandbox '{}' is the home of no swarm", call.peer.sandbox));
    }
    scope.home = std::move(*home);
    if constexpr (kKnowsAgent) {
      scope.agent = request.agent.value_or("");
      if (scope.agent.empty()) {
        return fail(Code::permission_denied,
                    fmt::format("'{}' from a sandbox needs the agent that calls", call.method));
      }
      if (scope.home.agents && !scope.home.agents->contains(scope.agent)) {
        return fail(Code::permission_denied,
                    fmt::format("no agent '{}' lives in sandbox '{}', and no other speaks for it", shown(scope.agent),
                                call.peer.sandbox));
      }
    }
  } else {
    if constexpr (kKnowsAgent) {
      if (request.agent) {
        return fail(
            Code::permission_denied,
            fmt::format("nobody on the host speaks for '{}'; agents call from their sandbox", shown(*request.agent)));
      }
    }
    Result<team::Home> home = homes.find(request.swarm);
    if (!home) return fail(home.error());
    scope.home = std::move(*home);
  }
  request.swarm = scope.home.swarm;
  return scope;
}

namespace detail {

template <class Res, class F, class Req>
async::Task<Result<Res>> run_scoped(std::shared_ptr<F> handler, Result<Scope> scope, Req request) {
  if (!scope) co_return fail(scope.error());
  if constexpr (std::same_as<std::invoke_result_t<F&, const Scope&, Req>, Result<Res>>) {
    co_return (*handler)(*scope, std::move(request));
  } else {
    auto task = (*handler)(*scope, std::move(request));
    Result<Res> answer = co_await std::move(task);
    co_return answer;
  }
}

}  // namespace detail

/// Serves `method` on the faces that its `caller` names. `handler` is `Result<Res>(const Scope&, Req)` or gives a task
/// of that; the scope lives as long as the task. `homes` outlives the routers. With `by_handler` the call's key is in
/// the scope, and the handler sees to it that the call has its effect once.
template <class Req, class Res, class F>
void add_scoped(Routers routers, const team::Homes& homes, const api::Method<Req, Res>& method, F handler,
                wire::Keys keys = wire::Keys::by_router) {
  const auto shared = std::make_shared<F>(std::move(handler));
  const auto serve = [&homes, &method, shared](wire::CallContext& call, Req request) {
    Result<Scope> scope = scope_of(homes, call, request);
    if (scope) scope->key = wire::call_key(call, method, &request);
    return detail::run_scoped<Res>(shared, std::move(scope), std::move(request));
  };
  if (method.caller == api::Caller::host || method.caller == api::Caller::both) routers.host.bind(method, serve, keys);
  if (method.caller == api::Caller::tunnel || method.caller == api::Caller::both)
    routers.tunnel.bind(method, serve, keys);
}

}  // namespace swarm::rpc
