#pragma once
// Calls that clients make on a sandbox and agentd answers: the same struct goes on without `sandbox`, its streams are
// connected through, and the answer comes back.

#include "daemon/rpc/relay.hpp"
#include "daemon/rpc/services.hpp"
#include "protocol/api/method.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::rpc {

/// When a call's output streams end.
enum class Outputs {
  before_answer,  ///< the answer tells that everything was sent
  after_answer,   ///< they go on for as long as the client's connection lives
};

namespace detail {

/// Replaces every stream id in `request` (a struct of `type`) by its counterpart on the tunnel.
Result<void> connect_streams(const api::TypeInfo& type, void* request, Relay& relay);

/// Keeps what outlives its call until it has ended by itself.
async::Task<> keep(sandbox::Sandboxes::Use use, std::unique_ptr<Relay> relay);

}  // namespace detail

/// Passes `request` on to the agentd of its sandbox.
template <class Req, class Res>
async::Task<Result<Res>> pass_on(Services& services, wire::Connection& client, const api::Method<Req, Res>& inside,
                                 sandbox::Sandboxes::Use use, Req request, Outputs outputs) {
  auto relay = std::make_unique<Relay>(services.loop, client, use.agent());
  if (Result<void> connected = detail::connect_streams(api::type_of<Req>(), &request, *relay); !connected) {
    co_return fail(connected.error());
  }
  Result<Res> answer = co_await wire::call(use.agent(), inside, std::move(request));
  if (!answer) co_return answer;
  if (outputs == Outputs::before_answer) {
    co_await relay->outputs_done();
  } else if (!relay->idle()) {
    client.tasks().spawn(detail::keep(std::move(use), std::move(relay)));
  }
  co_return answer;
}

/// The same for a request as it came, which says which sandbox it is for. `call` lives until the task has ended.
template <class Req, class Res>
async::Task<Result<Res>> pass_on(Services& services, const wire::CallContext& call, const api::Method<Req, Res>& inside,
                                 api::InSandbox<Req> request, Outputs outputs) {
  auto use = co_await services.sandboxes.use(request.sandbox);
  if (!use) {
    call.nothing_done();
    co_return fail(use.error());
  }
  Result<Res> answer = co_await pass_on(services, call.connection, inside, std::move(*use),
                                        std::move(static_cast<Req&>(request)), outputs);
  co_return answer;
}

/// Binds a client's method to the one of agentd that answers it.
template <class Req, class Res>
void add_passed_on(wire::Router& router, Services& services, const api::Method<api::InSandbox<Req>, Res>& method,
                   const api::Method<Req, Res>& inside, Outputs outputs = Outputs::before_answer) {
  router.bind(method, [&services, &inside, outputs](wire::CallContext& call, api::InSandbox<Req> request) {
    return pass_on(services, call, inside, std::move(request), outputs);
  });
}

}  // namespace swarm::rpc
