#include <fmt/format.h>
#include <unistd.h>

#include "daemon/rpc/config_view.hpp"
#include "daemon/rpc/services.hpp"
#include "daemon/sandbox/state.hpp"
#include "protocol/async/file.hpp"
#include "protocol/core/version.hpp"

namespace swarm::rpc {
namespace {

/// Resident memory of this process, from /proc/self/statm.
std::uint64_t resident_bytes() {
  const Result<std::string> statm = async::read_file_now("/proc/self/statm", 4096);
  if (!statm) return 0;
  const std::size_t space = statm->find(' ');
  const auto pages = std::strtoull(statm->c_str() + space, nullptr, 10);
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

async::Task<Result<api::DaemonInfoReply>> info(Services& services) {
  api::DaemonInfoReply reply;
  reply.version = kVersion;
  reply.pid = static_cast<std::uint32_t>(getpid());
  reply.mode = services.places.mode == Surroundings::Mode::system ? api::DaemonMode::system : api::DaemonMode::user;
  reply.uid = geteuid();
  reply.started_us = services.started.us;
  reply.uptime_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(services.loop.clock().now() - services.started_mono);
  reply.socket = api::Path(services.places.socket.native());
  reply.state_dir = api::Path(services.places.state.native());
  if (!services.log_file.empty()) reply.log_file = api::Path(services.log_file.native());
  if (!services.loaded.path.empty()) reply.config_files.emplace_back(services.loaded.path.native());
  for (providers::Provider* provider : services.providers) {
    const std::vector<std::string> problems = co_await provider->problems();
    api::ProviderStatus status{.name = provider->name(), .kind = provider->name(), .available = problems.empty()};
    if (!problems.empty()) status.reason = problems.front();
    if (const auto most = provider->capabilities().max_sandboxes) status.capacity = static_cast<std::uint64_t>(*most);
    status.sandboxes = services.sandboxes.count(provider->name());
    reply.providers.push_back(std::move(status));
  }
  reply.sandboxes = services.sandboxes.count_by_state();
  reply.connections = services.control.connections();
  reply.memory_bytes = resident_bytes();
  co_return reply;
}

}  // namespace

void add_daemon_methods(wire::Router& router, Services& services) {
  router.bind(api::kDaemonInfo, [&services](wire::CallContext&, api::Empty) { return info(services); });
  router.bind(api::kDaemonReload, [&services](wire::CallContext&, api::Empty) { return services.control.reload(); });
  router.bind(api::kConfigShow, [&services](wire::CallContext&, api::ConfigShowRequest request) {
    return Result<api::ConfigShowReply>(config_view(services.loaded, request));
  });
  router.bind(api::kDaemonStop,
              [&services](wire::CallContext& call, api::DaemonStopRequest request) -> Result<api::Empty> {
                services.control.stop(request.drain_ms,
                                      call.peer.credentials
                                          ? fmt::format("daemon.stop by process {} of user {}",
                                                        call.peer.credentials->pid, call.peer.credentials->uid)
                                          : "daemon.stop");
                return api::Empty{};
              });
}

}  // namespace swarm::rpc
