#include "protocol/api/pane.hpp"

#include <fmt/format.h>

#include "daemon/rpc/pass_on.hpp"

namespace swarm::rpc {
namespace {

/// The sandbox that a request is about, by itself or by its swarm.
template <class T>
Result<std::string> place(const Services& services, const api::AtPane<T>& request) {
  if (request.sandbox) return *request.sandbox;
  if (!services.sandbox_of_pane) {
    return fail(Code::not_found, fmt::format("no swarm '{}'; give 'sandbox'", request.swarm.value_or("")));
  }
  std::string pane;
  if constexpr (requires { request.pane; }) pane = request.pane;
  return services.sandbox_of_pane(request.swarm.value_or(""), pane);
}

template <class Req, class Res>
async::Task<Result<Res>> pass_pane(Services& services, wire::Connection& client, const api::Method<Req, Res>& inside,
                                   api::AtPane<Req> request, Outputs outputs) {
  const Result<std::string> sandbox = place(services, request);
  if (!sandbox) co_return fail(sandbox.error());
  auto use = co_await services.sandboxes.use(*sandbox);
  if (!use) co_return fail(use.error());
  Result<Res> answer =
      co_await pass_on(services, client, inside, std::move(*use), std::move(static_cast<Req&>(request)), outputs);
  co_return answer;
}

/// Of a swarm in several sandboxes: the panes of all of them.
async::Task<Result<api::PaneListReply>> list_panes(Services& services, wire::Connection& client,
                                                   api::AtPane<api::PaneListRequest> request) {
  std::vector<std::string> sandboxes;
  if (request.sandbox || !services.sandboxes_of_swarm) {
    Result<std::string> one = place(services, request);
    if (!one) co_return fail(one.error());
    sandboxes.push_back(std::move(*one));
  } else {
    Result<std::vector<std::string>> all = services.sandboxes_of_swarm(request.swarm.value_or(""));
    if (!all) co_return fail(all.error());
    sandboxes = std::move(*all);
  }
  if (sandboxes.size() > 1 && request.cursor) {
    co_return fail(Code::invalid_argument, "cursor: the panes of a swarm in several sandboxes come in one answer");
  }
  api::PaneListReply panes;
  for (const std::string& sandbox : sandboxes) {
    auto use = co_await services.sandboxes.use(sandbox);
    if (!use) co_return fail(use.error());
    Result<api::PaneListReply> reply = co_await pass_on(services, client, api::inside::kPaneList, std::move(*use),
                                                        api::PaneListRequest(request), Outputs::before_answer);
    if (!reply) co_return fail(reply.error());
    for (api::PaneInfo& pane : reply->panes) panes.panes.push_back(std::move(pane));
    panes.next_cursor = std::move(reply->next_cursor);
  }
  co_return panes;
}

template <class Req, class Res>
void add_pane_method(wire::Router& router, Services& services, const api::Method<api::AtPane<Req>, Res>& method,
                     const api::Method<Req, Res>& inside, Outputs outputs = Outputs::before_answer) {
  router.bind(method, [&services, &inside, outputs](wire::CallContext& call, api::AtPane<Req> request) {
    return pass_pane(services, call.connection, inside, std::move(request), outputs);
  });
}

}  // namespace

void add_pane_methods(wire::Router& router, Services& services) {
  const auto add = [&](const auto& method, const auto& inside, Outputs outputs = Outputs::before_answer) {
    add_pane_method(router, services, method, inside, outputs);
  };
  add(api::kPaneOpen, api::inside::kPaneOpen);
  router.bind(api::kPaneList, [&services](wire::CallContext& call, api::AtPane<api::PaneListRequest> request) {
    return list_panes(services, call.connection, std::move(request));
  });
  add(api::kPaneKill, api::inside::kPaneKill);
  add(api::kPaneRestart, api::inside::kPaneRestart);
  add(api::kPaneScreen, api::inside::kPaneScreen);
  add(api::kPaneSend, api::inside::kPaneSend);
  add(api::kPanePrompt, api::inside::kPanePrompt);
  add(api::kPaneWait, api::inside::kPaneWait);
  add(api::kPaneResize, api::inside::kPaneResize);
  add(api::kPaneLog, api::inside::kPaneLog, Outputs::after_answer);
  add(api::kPaneAttach, api::inside::kPaneAttach, Outputs::after_answer);
}

}  // namespace swarm::rpc
