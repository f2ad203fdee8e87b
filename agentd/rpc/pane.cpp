#include "agentd/rpc/pane.hpp"

#include "agentd/exec/foreground.hpp"
#include "protocol/api/pane.hpp"

namespace swarm::agentd {
namespace {

using panes::Panes;
using wire::CallContext;

async::Task<> hold(std::unique_ptr<Foreground> viewer) { co_await viewer->finish(); }

async::Task<Result<api::PaneAttachReply>> attach(Panes& panes, wire::Connection& connection,
                                                 api::PaneAttachRequest request) {
  auto input = connection.open_source(request.input);
  if (!input) co_return fail(input.error(), "input");
  auto output = connection.open_sink(request.output);
  if (!output) co_return fail(output.error(), "output");
  auto viewer = co_await panes.attach(std::move(request), std::move(*input), std::move(*output));
  if (!viewer) co_return fail(viewer.error());
  connection.tasks().spawn(hold(std::move(viewer->client)));
  co_return std::move(viewer->reply);
}

Result<api::PaneLogReply> log(Panes& panes, wire::Connection& connection, const api::PaneLogRequest& request) {
  Result<api::PaneLogReply> reply = panes.begin_log(request);
  if (!reply) return reply;
  auto sink = connection.open_sink(request.stream);
  if (!sink) return fail(sink.error(), "stream");
  connection.tasks().spawn(panes.send_log(request.pane, reply->from, request.follow, std::move(*sink)));
  return reply;
}

}  // namespace

void bind_panes(wire::Router& router, Panes& panes) {
  router.bind(api::inside::kPaneOpen,
              [&panes](CallContext&, api::PaneOpenRequest request) { return panes.open(std::move(request)); });
  router.bind(api::inside::kPaneList,
              [&panes](CallContext&, api::PaneListRequest request) { return panes.list(std::move(request)); });
  router.bind(api::inside::kPaneKill,
              [&panes](CallContext&, api::PaneKillRequest request) { return panes.kill(std::move(request)); });
  router.bind(api::inside::kPaneRestart,
              [&panes](CallContext&, api::PaneRestartRequest request) { return panes.restart(std::move(request)); });
  router.bind(api::inside::kPaneScreen,
              [&panes](CallContext&, api::PaneScreenRequest request) { return panes.screen(std::move(request)); });
  router.bind(api::inside::kPaneSend,
              [&panes](CallContext&, api::PaneSendRequest request) { return panes.send(std::move(request)); });
  router.bind(api::inside::kPanePrompt,
              [&panes](CallContext&, api::PanePromptRequest request) { return panes.prompt(std::move(request)); });
  router.bind(api::inside::kPaneWait,
              [&panes](CallContext&, api::PaneWaitRequest request) { return panes.wait(std::move(request)); });
  router.bind(api::inside::kPaneResize,
              [&panes](CallContext&, api::PaneResizeRequest request) { return panes.resize(std::move(request)); });
  router.bind(api::inside::kPaneLog, [&panes](CallContext& context, const api::PaneLogRequest& request) {
    return log(panes, context.connection, request);
  });
  router.bind(api::inside::kPaneAttach, [&panes](CallContext& context, api::PaneAttachRequest request) {
    return attach(panes, context.connection, std::move(request));
  });
}

}  // namespace swarm::agentd
