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

async::Task<> hold(sandbox::Sandboxes::Use use, std::unique_ptr<Relay> relay, std::unique_ptr<EndsWithClient> program) {
  const sandbox::Sandboxes::Use in_use = std::move(use);
  const std::unique_ptr<Relay> kept = std::move(relay);
  api::ExecWaitRequest wait;
  wait.exec = program->exec;
  const auto status = co_await wire::call(in_use.agent(), api::inside::kExecWait, wait);
  program->ended = status.has_value();
  co_await kept->all_done();
}

/// A start on its way to agentd. It is seen through when whoever asked has gone meanwhile, too: only its answer says
/// which program is to end.
struct Start {
  Start(async::Loop& loop, sandbox::Sandboxes::Use in) : use(std::move(in)), answered(loop) {}
  sandbox::Sandboxes::Use use;
  async::Event answered;
  std::optional<Result<api::ExecStartReply>> reply;
  bool wanted = true;
};

async::Task<> see_through(Services& services, std::shared_ptr<Start> start, api::ExecStartRequest request) {
  if (!start->wanted) co_return;
  Result<api::ExecStartReply> reply = co_await wire::call(start->use.agent(), api::inside::kExecStart, request);
  if (start->wanted) {
    start->reply.emplace(std::move(reply));
    start->answered.set();
  } else if (reply) {
    co_await end_program(services, start->use.id(), reply->exec);
  }
}

/// Who waits for a start: without them the program ends, whether it is answered already or not.
struct Asking {
  Services& services;
  std::shared_ptr<Start> start;
  bool taken = false;
  Asking(Services& s, std::shared_ptr<Start> of) : services(s), start(std::move(of)) {}
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  ~Asking() {
    if (taken) return;
    start->wanted = false;
    if (start->reply && *start->reply) {
      services.background.spawn(end_program(services, start->use.id(), (*start->reply)->exec));
    }
  }
};

/// Starts it and answers at once; the rest goes on for as long as the client's connection lives.
async::Task<Result<api::ExecStartReply>> start_attached(Services& services, wire::Connection& client,
                                                        sandbox::Sandboxes::Use use, api::ExecStartRequest request) {
  Asking asking(services, std::make_shared<Start>(services.loop, std::move(use)));
  // Declared after: its streams go before the connection.
  auto relay = std::make_unique<Relay>(services.loop, client, asking.start->use.agent());
  if (Result<void> connected = detail::connect_streams(api::type_of<api::ExecStartRequest>(), &request, *relay);
      !connected) {
    co_return fail(connected.error());
  }
  services.background.spawn(see_through(services, asking.start, std::move(request)));
  co_await asking.start->answered.wait();
  asking.taken = true;
  Result<api::ExecStartReply> reply = std::move(*asking.start->reply);
  if (reply) {
    // Made here: the client may be gone before the task has begun.
    auto program = std::make_unique<EndsWithClient>(services, asking.start->use.id(), reply->exec);
    client.tasks().spawn(hold(std::move(asking.start->use), std::move(relay), std::move(program)));
  }
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
