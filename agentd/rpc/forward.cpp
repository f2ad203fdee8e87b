#include "agentd/rpc/forward.hpp"

#include "agentd/exec/users.hpp"
#include "protocol/api/agentd.hpp"

namespace swarm::agentd {
namespace {

using wire::CallContext;

/// Makes stream `id` of the connection the other end of `stream`.
Result<void> carry(Forward& forward, wire::Connection& connection, std::uint32_t id,
                   std::unique_ptr<transport::Stream> stream) {
  Result<std::unique_ptr<wire::ByteSource>> source = connection.open_source(id);
  if (!source) return fail(source.error());
  Result<std::unique_ptr<wire::ByteSink>> sink = connection.open_sink(id);
  if (!sink) return fail(sink.error());
  connection.tasks().spawn(forward.carry(std::move(stream), std::move(*source), std::move(*sink)));
  return {};
}

async::Task<Result<api::Empty>> dial(Forward& forward, CallContext& context, api::ForwardDialRequest request) {
  auto stream = co_await forward.dial(std::move(request.host), static_cast<std::uint16_t>(request.port));
  if (!stream) co_return fail(stream.error());
  const Result<void> carried = carry(forward, context.connection, request.stream, std::move(*stream));
  if (!carried) co_return fail(carried.error());
  co_return api::Empty{};
}

async::Task<Result<api::ForwardAcceptReply>> accept(Forward& forward, CallContext& context,
                                                    api::ForwardAcceptRequest request) {
  auto accepted = co_await forward.accept(std::move(request.forward));
  if (!accepted) co_return fail(accepted.error());
  const Result<void> carried = carry(forward, context.connection, request.stream, std::move(accepted->stream));
  if (!carried) co_return fail(carried.error());
  co_return api::ForwardAcceptReply{.peer = std::move(accepted->peer)};
}

}  // namespace

void bind_forward(wire::Router& router, Forward& forward) {
  router.bind(api::inside::kForwardDial, [&forward](CallContext& context, api::ForwardDialRequest request) {
    return dial(forward, context, std::move(request));
  });
  router.bind(api::inside::kForwardListen,
              [&forward](CallContext&, api::ForwardListenRequest request) -> Result<api::ForwardListenReply> {
                std::optional<uid_t> only;
                if (!request.user.empty()) {
                  const Result<ExecUser> user = Users().find(request.user);
                  if (!user) return fail(user.error(), "user");
                  only = user->uid;
                }
                auto listening = forward.listen(
                    {.host = std::move(request.host), .port = static_cast<std::uint16_t>(request.port)}, only);
                if (!listening) return fail(listening.error());
                return api::ForwardListenReply{.forward = std::move(listening->id), .port = listening->address.port};
              });
  router.bind(api::inside::kForwardAccept, [&forward](CallContext& context, api::ForwardAcceptRequest request) {
    return accept(forward, context, std::move(request));
  });
  router.bind(api::inside::kForwardClose,
              [&forward](CallContext&, const api::ForwardCloseRequest& request) -> Result<api::Empty> {
                const Result<void> closed = forward.close(request.forward);
                if (!closed) return fail(closed.error());
                return api::Empty{};
              });
}

}  // namespace swarm::agentd
