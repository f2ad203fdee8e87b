#pragma once

#include <cstdint>

namespace swarm::agentd::shim {

/// How many processes the kernel has killed for want of memory: of our cgroup where its file system can be seen, else
/// of the machine (/proc/vmstat). Zero where neither can be read. A program that died of a SIGKILL which nobody of us
/// sent, while this number grew, is called OOM-killed; with the machine's number that is very likely rather than
/// certain.
std::uint64_t oom_kills();

}  // namespace swarm::agentd::shim
