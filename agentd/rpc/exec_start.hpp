#pragma once

#include "agentd/rpc/exec.hpp"

namespace swarm::agentd {

/// `exec.start`.
async::Task<Result<api::ExecStartReply>> start_exec(ExecService& service, wire::CallContext& context,
                                                    api::ExecStartRequest request);

/// What is to run, with everything decided that the request leaves open.
Result<ExecSpec> make_spec(const ExecService& service, const api::ExecStartRequest& request);

/// Sends what the program writes, until it has ended or the receiver has; the receiver is told how it ended.
async::Task<> carry_output(Execs& execs, std::shared_ptr<Exec> exec, Output which, std::uint64_t from,
                           Execs::Follow follow, std::unique_ptr<wire::ByteSink> sink);
/// Gives the program what comes; the giver is told how it ended.
async::Task<> carry_input(Execs& execs, std::shared_ptr<Exec> exec, std::unique_ptr<wire::ByteSource> source);

}  // namespace swarm::agentd
