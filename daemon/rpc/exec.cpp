#include "daemon/rpc/pass_on.hpp"
#include "protocol/api/agentd.hpp"

namespace swarm::rpc {
namespace {

async::Task<Result<api::ExecStartReply>> start(Services& services, wire::Connection& client,
                                               api::InSandbox<api::ExecStartRequest> request) {
  auto use = co_await services.sandboxes.use(request.sandbox);
  if (!use) co_return fail(use.error());
  const sandbox::Hidden& hidden = use->record().hidden;
  // One that was made for the pool knows nothing of the environment that its claimer asked for.
  if (!hidden.pool.empty() && !request.clear_env) request.env.insert(hidden.env.begin(), hidden.env.end());
  const Outputs outputs = request.background || !request.wait ? Outputs::after_answer : Outputs::before_answer;
  Result<api::ExecStartReply> reply =
      co_await pass_on(services, client, api::inside::kExecStart, std::move(*use),
                       std::move(static_cast<api::ExecStartRequest&>(request)), outputs);
  co_return reply;
}

}  // namespace

void add_exec_methods(wire::Router& router, Services& services) {
  router.bind(api::kExecStart, [&services](wire::CallContext& call, api::InSandbox<api::ExecStartRequest> request) {
    return start(services, call.connection, std::move(request));
  });
  const auto pass = [&](const auto& method, const auto& inside) { add_passed_on(router, services, method, inside); };
  pass(api::kExecWait, api::inside::kExecWait);
  pass(api::kExecList, api::inside::kExecList);
  pass(api::kExecResize, api::inside::kExecResize);
  pass(api::kExecSignal, api::inside::kExecSignal);
  pass(api::kExecKill, api::inside::kExecKill);
  add_passed_on(router, services, api::kExecAttach, api::inside::kExecAttach, Outputs::after_answer);
}

}  // namespace swarm::rpc
