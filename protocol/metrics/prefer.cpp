#include "protocol/metrics/prefer.hpp"

namespace swarm {

api::SandboxMetrics prefer(api::SandboxMetrics inside, const api::SandboxMetrics& outside) {
  const auto number_of = [](std::uint64_t& to, std::uint64_t from) { to = from != 0 ? from : to; };
  const auto known = [](auto& to, const auto& from) { to = from ? from : to; };
  number_of(inside.cpu_us, outside.cpu_us);
  number_of(inside.memory_bytes, outside.memory_bytes);
  number_of(inside.disk_bytes, outside.disk_bytes);
  number_of(inside.processes, outside.processes);
  known(inside.cpus_limit, outside.cpus_limit);
  known(inside.memory_peak_bytes, outside.memory_peak_bytes);
  known(inside.memory_limit_bytes, outside.memory_limit_bytes);
  known(inside.disk_limit_bytes, outside.disk_limit_bytes);
  known(inside.processes_limit, outside.processes_limit);
  known(inside.network_received_bytes, outside.network_received_bytes);
  known(inside.network_sent_bytes, outside.network_sent_bytes);
  known(inside.oom_kills, outside.oom_kills);
  if (!outside.top.empty()) inside.top = outside.top;
  return inside;
}

}  // namespace swarm
