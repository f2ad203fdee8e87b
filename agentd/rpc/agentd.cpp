#include "agentd/rpc/agentd.hpp"

namespace swarm::agentd {

using wire::CallContext;

void bind_agentd(wire::Router& router, AgentdService& service) {
  router.bind(api::inside::kAgentdInfo,
              [&service](CallContext&, const api::Empty&) { return Result<api::AgentdInfoReply>(service.info); });
  router.bind(api::inside::kAgentdKeepalive, [&service](CallContext&, const api::AgentdKeepaliveRequest& request) {
    service.extend_lease(request.ttl_ms);
    return Result<api::AgentdKeepaliveReply>(
        api::AgentdKeepaliveReply{.time_us = service.clock.wall().us, .running = service.execs.running()});
  });
  router.bind(api::inside::kAgentdShutdown, [&service](CallContext&, const api::AgentdShutdownRequest& request) {
    service.end_sandbox(request.grace_ms, request.reason);
    return Result<api::Empty>(api::Empty{});
  });
  // Init's lease and the time-outs of programs do not count time in which nothing ran (timing.hpp); a team's deadlines
  // do until they are told.
  router.bind(api::inside::kAgentdResumed, [&service](CallContext&, const api::AgentdResumedRequest& request) {
    service.resumed(request.paused_ms);
    return Result<api::Empty>(api::Empty{});
  });
}

void bind_inner(wire::Router& router, AgentdService& service, const Team& team) {
  router.bind(api::inside::kInnerWhoami,
              [&service, &team](CallContext& context, const api::Empty&) -> Result<api::InnerWhoamiReply> {
                if (!context.peer.credentials)
                  return fail(Code::unauthenticated, "the kernel does not say who you are");
                const transport::PeerCredentials& caller = *context.peer.credentials;
                api::InnerWhoamiReply reply{.sandbox = service.sandbox,
                                            .uid = caller.uid,
                                            .pid = static_cast<std::uint32_t>(caller.pid),
                                            .user = service.users.name_of(caller.uid),
                                            .identity = service.info.identity};
                if (!team.is_open()) return reply;
                reply.swarm = team.swarm();
                reply.swarm_name = team.name();
                const Result<coord::Actor> actor = team.caller(caller);
                if (!actor || actor->kind != coord::Actor::Kind::agent) return reply;
                reply.agent = actor->name;
                if (const auto member = team.find(actor->name); member) reply.role = (*member)->role;
                return reply;
              });
  router.bind(api::inside::kInnerStatus, [&service](CallContext&, const api::Empty&) {
    return Result<api::InnerStatusReply>(
        api::InnerStatusReply{.sandbox = service.sandbox,
                              .version = service.info.version,
                              .started_us = service.info.started_us,
                              .tunnels = service.tunnels(),
                              .running = static_cast<std::uint32_t>(service.execs.running())});
  });
}

}  // namespace swarm::agentd
