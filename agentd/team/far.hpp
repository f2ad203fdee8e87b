#pragma once
// What is asked of the daemon about a far team (team.hpp), typed.

#include "agentd/team/team.hpp"
#include "protocol/api/codec.hpp"

namespace swarm::agentd {

/// Names one call: it may be made again when the tunnel is cut before its answer.
std::string random_key();

/// Calls a method that the daemon serves to sandboxes. With a key it has its effect once, also where the tunnel is cut
/// before the answer. Errors as the method has them, and `unavailable`.
template <class Req, class Res>
async::Task<Result<Res>> ask_host(Team& team, const api::Method<Req, Res>& method, Req request,
                                  std::optional<std::string> key) {
  auto asking = team.ask(std::string(method.name),
                         api::encode_call(method, request, api::CommonFields{.idempotency_key = std::move(key)}));
  Result<Value> answer = co_await std::move(asking);
  if (!answer) co_return fail(answer.error());
  Result<Res> decoded = api::decode_reply<Res>(std::move(*answer));
  if (!decoded) co_return fail(Code::internal, "the daemon's answer: " + decoded.error().message);
  co_return decoded;
}

/// Calls a method of the swarm with arguments as the wire has them (`[{...}]`), as an agent that lives here, or as the
/// sandbox itself.
async::Task<Result<Value>> relay_to_host(Team& team, std::optional<std::string> agent, const api::MethodInfo& method,
                                         Value params);

/// The same, typed.
template <class Req, class Res>
async::Task<Result<Res>> ask_host_as(Team& team, std::optional<std::string> agent, const api::Method<Req, Res>& method,
                                     Req request) {
  auto asking = relay_to_host(team, std::move(agent), method, api::encode_call(method, request));
  Result<Value> answer = co_await std::move(asking);
  if (!answer) co_return fail(answer.error());
  Result<Res> decoded = api::decode_reply<Res>(std::move(*answer));
  if (!decoded) co_return fail(Code::internal, "the daemon's answer: " + decoded.error().message);
  co_return decoded;
}

/// Tells what is seen of an agent's program.
async::Task<Result<void>> tell_host(Team& team, api::RelayReportRequest report);

}  // namespace swarm::agentd
