#pragma once

#include "protocol/api/sandbox_types.hpp"

namespace swarm::agentd {

/// The machine as agentd sees it. Reads a few files of /proc, /etc and, where there is one, the cgroup file system.
api::SystemInfo system_info();

/// `enforced` where we are root of a user namespace with room for agents' own uids, else `cooperative`.
api::Identity identity_mode();

/// The limits that the kernel holds each program to by itself (setrlimit).
std::vector<api::LimitStatus> own_limits();

}  // namespace swarm::agentd
