#include <fmt/format.h>

#include "daemon/rpc/services.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::rpc {
namespace {

using api::InSandbox;

std::string scope_of(const wire::CallContext& call) {
  const auto& who = call.peer.credentials;
  return fmt::format("uid:{}", who ? static_cast<std::int64_t>(who->uid) : -1);
}

}  // namespace

void add_sandbox_methods(wire::Router& router, Services& services) {
  sandbox::Sandboxes& sandboxes = services.sandboxes;
  router.bind(api::kSandboxCreate, [&sandboxes](wire::CallContext& call, api::SandboxCreateRequest request) {
    sandbox::CreateKey key{.scope = scope_of(call), .key = call.common.idempotency_key.value_or("")};
    if (!key.key.empty()) key.arguments = wire::encode(api::encode(request));
    return sandboxes.create(std::move(request), std::move(key));
  });
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
}

}  // namespace swarm::rpc
