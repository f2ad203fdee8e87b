#pragma once

#include "client/connect.hpp"
#include "protocol/api/exec.hpp"

namespace swarm::client {

/// All programs of a sandbox, over the pages of the answer.
async::Task<Result<api::ExecListReply>> programs_of(Client& client, std::string sandbox, bool all,
                                                    std::map<std::string, std::string> labels);

/// The program with that id or unique beginning; the newest in the background when none is named.
async::Task<Result<api::ExecInfo>> find_program(Client& client, std::string sandbox, std::string exec);

}  // namespace swarm::client
