#pragma once
// What `agentd init` and the `agentd run` that it starts agree on. Fixed numbers: nothing of it is in an argument list
// or in the environment, where every process of the sandbox could read it.

namespace swarm::agentd {

/// The tunnel's listening socket (Unix, bound by the daemon outside). Init keeps it open, so that a daemon that dials
/// while agentd is being restarted waits in the backlog instead of being refused.
inline constexpr int kListenFd = 3;

/// A sealed memory file with the 32 bytes of the tunnel secret. Read it with pread(2): the offset is shared.
inline constexpr int kSecretFd = 4;

/// A SOCK_SEQPACKET socket to init. agentd sends one of the packets below; init sends none.
///
///   "lease <milliseconds>"  the sandbox may live that much longer, counted from now; replaces what was said before
///   "end"                   end the sandbox: agentd is told to stop, then everything is killed
///
/// Time in which the sandbox was frozen does not count.
inline constexpr int kControlFd = 5;

/// agentd's exit status for "end the sandbox now". With any other, init starts it again.
inline constexpr int kExitEndSandbox = 90;

/// Where init sends the standard output and error of agentd and of itself, inside the sandbox.
inline constexpr const char* kLogPath = "/run/swarm/agentd.log";

}  // namespace swarm::agentd
