#include "daemon/rpc/pass_on.hpp"
#include "protocol/api/agentd.hpp"

namespace swarm::rpc {

void add_exec_methods(wire::Router& router, Services& services) {
  const auto pass = [&](const auto& method, const auto& inside) { add_passed_on(router, services, method, inside); };
  pass(api::kExecStart, api::inside::kExecStart);
  pass(api::kExecWait, api::inside::kExecWait);
  pass(api::kExecList, api::inside::kExecList);
  pass(api::kExecAttach, api::inside::kExecAttach);
  pass(api::kExecResize, api::inside::kExecResize);
  pass(api::kExecSignal, api::inside::kExecSignal);
  pass(api::kExecKill, api::inside::kExecKill);
}

}  // namespace swarm::rpc
