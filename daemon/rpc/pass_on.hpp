#pragma once
// Calls that clients make on a sandbox and agentd answers: the same struct goes on without `sandbox`, its streams are
// connected through, and the answer comes back once everything that was sent before it has been passed on.

#include "daemon/rpc/relay.hpp"
#include "daemon/rpc/services.hpp"
#include "protocol/api/method.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::rpc {

namespace detail {

/// Replaces every stream id in `request` (a struct of `type`) by its counterpart on the tunnel.
Result<void> connect_streams(const api::TypeInfo& type, void* request, Relay& relay);

}  // namespace detail

/// Passes `request` on to the agentd of its sandbox.
template <class Req, class Res>
async::Task<Result<Res>> pass_on(Services& services, wire::Connection& client, const api::Method<Req, Res>& inside,
                                 api::InSandbox<Req> request) {
  auto use = co_await services.sandboxes.use(request.sandbox);
  if (!use) co_return fail(use.error());
  Relay relay(services.loop, client, use->agent());
  Req inner = std::move(static_cast<Req&>(request));
  if (Result<void> connected = detail::connect_streams(api::type_of<Req>(), &inner, relay); !connected) {
    co_return fail(connected.error());
  }
  Result<Res> answer = co_await wire::call(use->agent(), inside, std::move(inner));
  if (answer) co_await relay.outputs_done();
  co_return answer;
}

/// Binds a client's method to the one of agentd that answers it.
template <class Req, class Res>
void add_passed_on(wire::Router& router, Services& services, const api::Method<api::InSandbox<Req>, Res>& method,
                   const api::Method<Req, Res>& inside) {
  router.bind(method, [&services, &inside](wire::CallContext& call, api::InSandbox<Req> request) {
    return pass_on(services, call.connection, inside, std::move(request));
  });
}

}  // namespace swarm::rpc
