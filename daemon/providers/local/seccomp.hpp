#pragma once
// The system calls that a sandbox may not make. Everything is allowed but a list: agents run compilers, debuggers,
// browsers and package managers, and an allow-list would break a new one with each kernel. The list is what reaches the
// host past the namespaces (kernel keyrings, vsock), what has been a door into the kernel again and again (bpf,
// io_uring, userfaultfd), and what no work in a sandbox needs.

#include <string>
#include <vector>

#include "daemon/providers/local/rootfs.hpp"
#include "protocol/core/error.hpp"

namespace swarm::local {

/// The filter as classic BPF, for bwrap's `--seccomp`. Built for the architecture that this program runs on; system
/// calls of any other (i386 by int 0x80, x32) fail with ENOSYS.
Result<std::string> seccomp_program(Userns userns);

/// Names of the system calls that the filter refuses whatever their arguments are, sorted; for documentation and tests.
std::vector<std::string> refused_calls(Userns userns);

}  // namespace swarm::local
