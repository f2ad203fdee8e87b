#include "daemon/rpc/services.hpp"

namespace swarm::rpc {

using api::InSandbox;

void add_sandbox_methods(wire::Router& router, Services& services) {
  sandbox::Sandboxes& sandboxes = services.sandboxes;
  router.bind(
      api::kSandboxCreate,
      [&sandboxes](wire::CallContext& call, api::SandboxCreateRequest request) {
        std::optional<CallKey> key = wire::call_key(call, api::kSandboxCreate, &request);
        return sandboxes.create(std::move(request), std::move(key));
      },
      wire::Keys::by_handler);
  router.bind(api::kSandboxList, [&sandboxes](wire::CallContext&, api::SandboxListRequest request) {
    return sandboxes.list(std::move(request));
  });
  router.bind(api::kSandboxInfo, [&sandboxes](wire::CallContext&, InSandbox<api::Empty> request) {
    return sandboxes.info(std::move(request.sandbox));
  });
  router.bind(api::kSandboxKill, [&sandboxes](wire::CallContext&, InSandbox<api::SandboxKillRequest> request) {
    return sandboxes.kill(request.sandbox, request);
  });
  router.bind(api::kSandboxMetrics, [&sandboxes](wire::CallContext&, InSandbox<api::Empty> request) {
    return sandboxes.metrics(std::move(request.sandbox));
  });
  router.bind(api::kSandboxExtend, [&sandboxes](wire::CallContext&, InSandbox<api::SandboxExtendRequest> request) {
    return sandboxes.extend(std::move(request.sandbox), request.lease_ms);
  });
  router.bind(api::kSandboxPause, [&sandboxes](wire::CallContext&, InSandbox<api::Empty> request) {
    return sandboxes.pause(std::move(request.sandbox));
  });
  router.bind(api::kSandboxResume, [&sandboxes](wire::CallContext&, InSandbox<api::Empty> request) {
    return sandboxes.resume(std::move(request.sandbox));
  });
  router.bind(api::kSandboxResize, [&sandboxes](wire::CallContext&, InSandbox<api::SandboxResizeRequest> request) {
    return sandboxes.resize(request.sandbox, request);
  });
}

}  // namespace swarm::rpc
