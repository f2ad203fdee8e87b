#pragma once
// Methods that are one step of the coordination: decode, know the caller, one transaction, encode.

#include "agentd/rpc/team.hpp"

namespace swarm::agentd {

/// Who may call.
enum class Who : std::uint8_t {
  anyone,  ///< a person, the sandbox itself, any agent
  agents,
};

/// A call of one of these methods, as its step sees it.
template <class Req>
struct Asked {
  coord::Actor caller;
  Req request;
  std::optional<std::string> key;  ///< `idempotency_key`
};

namespace detail {

template <class Res, class Req, class F>
async::Task<Result<Res>> look(TeamService& service, Result<Asked<Req>> asked, F f) {
  if (!asked) co_return fail(asked.error());
  auto task =
      (*service.team.host())->with_locks("team.look", [asked = std::move(*asked), f = std::move(f)](coord::Step& step) {
        return f(step, asked);
      });
  Result<Res> result = co_await std::move(task);
  co_return result;
}

/// The same, with what the loop adds to the answer.
template <class Res, class Req, class F, class G>
async::Task<Result<Res>> look_and_add(TeamService& service, Result<Asked<Req>> asked, F f, G add) {
  auto task = look<Res>(service, std::move(asked), std::move(f));
  Result<Res> result = co_await std::move(task);
  if (result) add(*result);
  co_return result;
}

template <class Res, class Req, class F>
async::Task<Result<Res>> change(TeamService& service, Result<Asked<Req>> asked, std::string_view name,
                                store::Durability durability, F f) {
  if (!asked) co_return fail(asked.error());
  auto task = (*service.team.host())
                  ->in_tables(name, durability, [asked = std::move(*asked), f = std::move(f)](coord::Step& step) {
                    return f(step, asked);
                  });
  Result<Res> result = co_await std::move(task);
  co_return result;
}

}  // namespace detail

template <class Req>
Result<Asked<Req>> asked(TeamService& service, Who who, const wire::CallContext& context, Req request) {
  auto caller =
      who == Who::agents ? agent_of(service, context, request.swarm) : caller_of(service, context, request.swarm);
  if (!caller) return fail(caller.error());
  return Asked<Req>{.caller = std::move(*caller), .request = std::move(request), .key = context.common.idempotency_key};
}

/// Serves `method` by a step that only looks: `Result<Res> f(coord::Step&, const Asked<Req>&)`.
template <class Req, class Res, class F>
void bind_look(wire::Router& router, TeamService& service, const api::Method<Req, Res>& method, F f,
               Who who = Who::anyone) {
  router.bind(method, [&service, f, who](wire::CallContext& context, Req request) {
    return detail::look<Res>(service, asked(service, who, context, std::move(request)), f);
  });
}

/// Serves `method` by a step in the tables, which is undone where it fails.
template <class Req, class Res, class F>
void bind_change(wire::Router& router, TeamService& service, const api::Method<Req, Res>& method, Who who,
                 store::Durability durability, F f) {
  router.bind(method, [&service, &method, f, who, durability](wire::CallContext& context, Req request) {
    return detail::change<Res>(service, asked(service, who, context, std::move(request)), method.name, durability, f);
  });
}

}  // namespace swarm::agentd
