#include "agentd/rpc/pane.hpp"

#include "agentd/exec/foreground.hpp"
#include "protocol/api/pane.hpp"

namespace swarm::agentd {
namespace {

using panes::Panes;
using wire::CallContext;

/// Says when nothing more can come from whoever types.
class LastingSource final : public wire::ByteSource {
 public:
  LastingSource(std::unique_ptr<wire::ByteSource> from, std::shared_ptr<async::Event> gone)
      : from_(std::move(from)), gone_(std::move(gone)) {}
  async::Task<Result<std::optional<std::string>>> read() override {
    Result<std::optional<std::string>> chunk = co_await from_->read();
    if (!chunk || !*chunk) gone_->set();
    co_return chunk;
  }

 private:
  std::unique_ptr<wire::ByteSource> from_;
  std::shared_ptr<async::Event> gone_;  // shared with whoever holds the viewer
};

async::Task<> set_when_over(Foreground& viewer, std::shared_ptr<async::Event> over) {
  co_await viewer.finish();
  over->set();
}

/// Until the viewer's program ends, or whoever looked has gone: nobody sees it then, and it counts as a viewer.
async::Task<> hold(async::Loop& loop, std::unique_ptr<Foreground> viewer, std::shared_ptr<async::Event> over) {
  async::TaskSet tasks(loop);
  tasks.spawn(set_when_over(*viewer, over));
  co_await over->wait();
}

async::Task<Result<api::PaneAttachReply>> attach(Panes& panes, wire::Connection& connection,
                                                 api::PaneAttachRequest request) {
  auto input = connection.open_source(request.input);
  if (!input) co_return fail(input.error(), "input");
  auto output = connection.open_sink(request.output);
  if (!output) co_return fail(output.error(), "output");
  const auto over = std::make_shared<async::Event>(panes.loop());  // shared by the input and `hold`
  auto typed = std::make_unique<LastingSource>(std::move(*input), over);
  auto viewer = co_await panes.attach(std::move(request), std::move(typed), std::move(*output));
  if (!viewer) co_return fail(viewer.error());
  connection.tasks().spawn(hold(panes.loop(), std::move(viewer->client), over));
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
