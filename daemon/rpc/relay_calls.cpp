#include "daemon/rpc/relay_calls.hpp"

#include <fmt/format.h>

#include "protocol/api/relay.hpp"

namespace swarm::rpc {
namespace {

using team::Authorities;

/// Keeps a call to the swarm of the sandbox that it comes from, and hands it to the authority of that.
template <class Req, class Res>
void add(wire::Router& tunnel, const team::Homes& homes, Authorities& authorities, const api::Method<Req, Res>& method,
         async::Task<Result<Res>> (Authorities::*serve)(std::string, std::string, Req)) {
  struct Refused {
    static async::Task<Result<Res>> with(Error error) { co_return fail(std::move(error)); }
  };
  tunnel.bind(method, [&homes, &authorities, serve](wire::CallContext& call, Req request) {
    const bool inside = call.peer.kind == wire::Peer::Kind::sandbox;
    const std::optional<team::Home> home = inside ? homes.of_sandbox(call.peer.sandbox) : std::nullopt;
    if (!home) {
      return Refused::with(
          {.code = Code::permission_denied, .message = fmt::format("'{}' is the home of no swarm", call.peer.sandbox)});
    }
    return (authorities.*serve)(home->swarm, call.peer.sandbox, std::move(request));
  });
}

}  // namespace

void add_relay_methods(wire::Router& tunnel, const team::Homes& homes, Authorities& authorities) {
  add(tunnel, homes, authorities, api::kRelayCall, &Authorities::call);
  add(tunnel, homes, authorities, api::kRelayHook, &Authorities::hook);
  add(tunnel, homes, authorities, api::kRelayReport, &Authorities::report);
}

}  // namespace swarm::rpc
