#pragma once
// Typed calls: `const Result<api::SandboxInfo> info = co_await call(connection, api::kSandboxInfo, request);`

#include "protocol/api/codec.hpp"
#include "protocol/api/method.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/wire/connection.hpp"

namespace swarm::wire {

namespace detail {

template <class Res>
async::Task<Result<Res>> decode_answer(async::Task<Result<Value>> call, std::string_view method) {
  Result<Value> answer = co_await std::move(call);
  if (!answer) co_return fail(answer.error());
  Result<Res> decoded = api::decode_reply<Res>(std::move(*answer));
  if (!decoded) {
    co_return fail(Code::internal,
                   "the answer to " + std::string(method) + " is not what it should be: " + decoded.error().message);
  }
  co_return std::move(*decoded);
}

}  // namespace detail

/// Calls a method of the peer. Errors as for `Connection::call`; `internal` when the answer is not of the method's
/// type. Unknown fields of the answer are ignored. The request is encoded at once; `method` must be a constant.
template <class Req, class Res>
async::Task<Result<Res>> call(Connection& connection, const api::Method<Req, Res>& method,
                              const std::type_identity_t<Req>& request, const api::CommonFields& common = {}) {
  return detail::decode_answer<Res>(
      connection.call(std::string(method.name), api::encode_call(method, request, common)), method.name);
}

/// The same, given up (and cancelled at the peer) after `limit`: `deadline_exceeded`; what the peer did until then
/// stands.
template <class Req, class Res>
async::Task<Result<Res>> call_with_timeout(Connection& connection, const api::Method<Req, Res>& method,
                                           const std::type_identity_t<Req>& request, Duration limit,
                                           const api::CommonFields& common = {}) {
  return async::with_timeout(connection.loop(), call(connection, method, request, common), limit,
                             std::string(method.name));
}

}  // namespace swarm::wire
