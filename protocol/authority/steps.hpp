#pragma once
// Methods that are one step of the coordination: decode, one transaction, encode.

#include "protocol/api/codec.hpp"
#include "protocol/authority/desk.hpp"

namespace swarm::authority {

/// A call of one of these methods, as its step sees it.
template <class Req>
struct Asked {
  coord::Actor caller;
  Req request;
  std::optional<std::string> key;  ///< `idempotency_key`
};

namespace detail {

template <class Req, class Res, class F>
async::Task<Result<Value>> serve(Desk* desk, const api::Method<Req, Res>* method, F f, coord::Actor caller,
                                 Value params) {
  Result<api::Call<Req>> call = api::decode_call(*method, std::move(params));
  if (!call) co_return fail(call.error());
  Asked<Req> asked{
      .caller = std::move(caller), .request = std::move(call->request), .key = std::move(call->common.idempotency_key)};
  auto task = f(*desk, std::move(asked));
  const Result<Res> result = co_await std::move(task);
  if (!result) co_return fail(result.error());
  co_return api::encode(*result);
}

template <class Res, class Req, class F>
async::Task<Result<Res>> look(Desk& desk, Asked<Req> asked, F f) {
  auto task = desk.host().with_locks(
      "team.look", [asked = std::move(asked), f = std::move(f)](coord::Step& step) { return f(step, asked); });
  Result<Res> result = co_await std::move(task);
  co_return result;
}

template <class Res, class Req, class F>
async::Task<Result<Res>> change(Desk& desk, Asked<Req> asked, std::string_view name, store::Durability durability, F f,
                                store::Undo undo = store::Undo::alone) {
  auto task = desk.host().in_tables(
      name, durability, [asked = std::move(asked), f = std::move(f)](coord::Step& step) { return f(step, asked); },
      undo);
  Result<Res> result = co_await std::move(task);
  co_return result;
}

}  // namespace detail

/// Serves `method` by `f`, a `Task<Result<Res>>(Desk&, Asked<Req>)`.
template <class Req, class Res, class F>
void add_task(std::vector<Entry>& entries, const api::Method<Req, Res>& method, Who who, F f) {
  entries.push_back({&method, who, [&method, f](Desk& desk, coord::Actor caller, Value params) {
                       return detail::serve<Req, Res>(&desk, &method, f, std::move(caller), std::move(params));
                     }});
}

/// Serves `method` by a step that only looks: `Result<Res> f(coord::Step&, const Asked<Req>&)`.
template <class Req, class Res, class F>
void add_look(std::vector<Entry>& entries, const api::Method<Req, Res>& method, F f, Who who = Who::anyone) {
  add_task(entries, method, who,
           [f](Desk& desk, Asked<Req> asked) { return detail::look<Res>(desk, std::move(asked), f); });
}

/// Serves `method` by a step in the tables, which is undone where it fails. `undo`: see `coord::Host::in_tables`.
template <class Req, class Res, class F>
void add_change(std::vector<Entry>& entries, const api::Method<Req, Res>& method, Who who, store::Durability durability,
                F f, store::Undo undo = store::Undo::alone) {
  add_task(entries, method, who, [&method, f, durability, undo](Desk& desk, Asked<Req> asked) {
    return detail::change<Res>(desk, std::move(asked), method.name, durability, f, undo);
  });
}

/// The domains.
void add_agent(std::vector<Entry>& entries);
void add_lock(std::vector<Entry>& entries);
void add_message(std::vector<Entry>& entries);
void add_note(std::vector<Entry>& entries);

}  // namespace swarm::authority
