#pragma once
// The shape of most commands: connect, call one method, show the answer.

#include "client/connect.hpp"
#include "client/exit_codes.hpp"

namespace swarm::client {

/// Connects, calls and, with --json, prints the answer; else `show(context, reply)` does.
template <class Req, class Res, class F>
async::Task<Result<int>> call_and_show(Context& context, const api::Method<Req, Res>& method,
                                       std::type_identity_t<Req> request, F show) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<Res> reply = co_await (*client)->call(method, request);
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else {
    show(context, *reply);
  }
  co_return kExitOk;
}

/// A request for one sandbox.
template <class T>
api::InSandbox<T> in_sandbox(std::string sandbox, T request = {}) {
  api::InSandbox<T> made;
  static_cast<T&>(made) = std::move(request);
  made.sandbox = std::move(sandbox);
  return made;
}

}  // namespace swarm::client
