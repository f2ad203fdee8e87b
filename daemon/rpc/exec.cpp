#include "daemon/rpc/pass_on.hpp"
#include "protocol/api/agentd.hpp"

namespace swarm::rpc {
namespace {

async::Task<> end_program(Services& services, std::string sandbox, std::string exec) {
  auto use = co_await services.sandboxes.use(std::move(sandbox));
  if (!use) co_return;  // it ended with its sandbox
  api::ExecKillRequest request;
  request.exec = std::move(exec);
  const auto ended =
      co_await wire::call_with_timeout(use->agent(), api::inside::kExecKill, request, std::chrono::seconds(30));
  static_cast<void>(ended);  // it may have ended by itself
}

/// A program in the foreground that was answered when it started: it ends when its client goes.
struct EndsWithClient {
  Services& services;
  std::string sandbox;
  std::string exec;
  bool ended = false;
  EndsWithClient(Services& s, std::string in, std::string id)
      : services(s), sandbox(std::move(in)), exec(std::move(id)) {}
  EndsWithClient(const EndsWithClient&) = delete;
  EndsWithClient& operator=(const EndsWithClient&) = delete;
  ~EndsWithClient() {
    if (!ended) services.background.spawn(end_program(services, sandbox, exec));
  }
};

async::Task<> hold(Services& services, sandbox::Sandboxes::Use use, std::unique_ptr<Relay> relay, std::string exec) {
  const sandbox::Sandboxes::Use in_use = std::move(use);
  const std::unique_ptr<Relay> kept = std::move(relay);
  EndsWithClient program(services, in_use.id(), std::move(exec));
  api::ExecWaitRequest wait;
  wait.exec = program.exec;
  const auto status = co_await wire::call(in_use.agent(), api::inside::kExecWait, wait);
  program.ended = status.has_value();
  co_await kept->all_done();
}

/// Starts it and answers at once; the rest goes on for as long as the client's connection lives.
async::Task<Result<api::ExecStartReply>> start_attached(Services& services, wire::Connection& client,
                                                        sandbox::Sandboxes::Use use, api::ExecStartRequest request) {
  auto relay = std::make_unique<Relay>(services.loop, client, use.agent());
  if (Result<void> connected = detail::connect_streams(api::type_of<api::ExecStartRequest>(), &request, *relay);
      !connected) {
    co_return fail(connected.error());
  }
  Result<api::ExecStartReply> reply = co_await wire::call(use.agent(), api::inside::kExecStart, std::move(request));
  if (reply) client.tasks().spawn(hold(services, std::move(use), std::move(relay), reply->exec));
  co_return reply;
}

async::Task<Result<api::ExecStartReply>> start(Services& services, const wire::CallContext& call,
                                               api::InSandbox<api::ExecStartRequest> request) {
  auto use = co_await services.sandboxes.use(request.sandbox);
  if (!use) {
    call.nothing_done();
    co_return fail(use.error());
  }
  wire::Connection& client = call.connection;
  const sandbox::Hidden& hidden = use->record().hidden;
  // One that was made for the pool knows nothing of the environment that its claimer asked for.
  if (!hidden.pool.empty() && !request.clear_env) request.env.insert(hidden.env.begin(), hidden.env.end());
  if (!request.background && !request.wait) {
    Result<api::ExecStartReply> started = co_await start_attached(
        services, client, std::move(*use), std::move(static_cast<api::ExecStartRequest&>(request)));
    co_return started;
  }
  const Outputs outputs = request.background ? Outputs::after_answer : Outputs::before_answer;
  Result<api::ExecStartReply> reply =
      co_await pass_on(services, client, api::inside::kExecStart, std::move(*use),
                       std::move(static_cast<api::ExecStartRequest&>(request)), outputs);
  co_return reply;
}

}  // namespace

void add_exec_methods(wire::Router& router, Services& services) {
  router.bind(api::kExecStart, [&services](wire::CallContext& call, api::InSandbox<api::ExecStartRequest> request) {
    return start(services, call, std::move(request));
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
