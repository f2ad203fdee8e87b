#pragma once

#include "agentd/rpc/exec.hpp"

namespace swarm::agentd {

/// `exec.start`.
async::Task<Result<api::ExecStartReply>> start_exec(ExecService& service, wire::CallContext& context,
                                                    api::ExecStartRequest request);

/// What is to run, with everything decided that the request leaves open.
Result<ExecSpec> make_spec(const ExecService& service, const api::ExecStartRequest& request);

}  // namespace swarm::agentd
