#pragma once
// What agentd and the shim agree on. The shim is the supervisor of one exec: agentd starts one for each program, and
// the shim outlives agentd where the program is meant to.
//
// Nothing of a request is in the shim's argument list, environment or any file: it is a memory file that the shim
// inherits. A sandbox outlives an upgrade of agentd, so both structs below carry a version, and fields are only added
// at their ends.

#include <cstdint>

namespace swarm::agentd::shim {

/// Descriptors that the shim is started with. Those above `kRequestFd` only where they are needed.
inline constexpr int kControlFd = 3;    ///< SOCK_SEQPACKET: commands in, states out. Its end is agentd's end.
inline constexpr int kRequestFd = 4;    ///< memory file with a `Request` and its strings
inline constexpr int kInputFd = 5;      ///< terminal's master; or, of a background exec, the writing end of its input
inline constexpr int kOutFd = 6;        ///< background without terminal: reading end of its output
inline constexpr int kErrFd = 7;        ///< the same for error output
inline constexpr int kListenFd = 8;     ///< background: SOCK_SEQPACKET listener for the next agentd
inline constexpr int kStatusFd = 9;     ///< background: file that always holds the newest `State`
inline constexpr int kOutSpoolFd = 10;  ///< background: ring file for output
inline constexpr int kErrSpoolFd = 11;  ///< background without terminal: ring file for error output
inline constexpr int kLastFd = kErrSpoolFd;

inline constexpr std::uint32_t kMagic = 0x6d696873;  // "shim"
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kMostGroups = 64;
inline constexpr std::uint32_t kMostLimits = 16;

enum RequestFlag : std::uint32_t {
  kBackground = 1,  ///< goes on without agentd; descendants may outlive the program
  kTerminal = 2,    ///< descriptors 0-2 are a terminal that becomes the controlling one
  kSwitchUser = 4,  ///< take on uid, gid and groups
  kHasInput = 8,    ///< `kInputFd` is there
  kPane = 16,       ///< descriptors 0-2 are a terminal that is ours already and is kept and spooled by somebody else
};

struct Limit {
  std::uint32_t resource = 0;  ///< RLIMIT_...
  std::uint32_t reserved = 0;
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

/// The head of the request; behind it, each ended by NUL: working directory, arguments, environment.
struct Request {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t flags = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t group_count = 0;
  std::uint32_t groups[kMostGroups] = {};
  std::uint32_t limit_count = 0;
  std::uint32_t argument_count = 0;
  std::uint32_t environment_count = 0;
  std::uint32_t umask = 022;
  Limit limits[kMostLimits] = {};
  std::int64_t timeout_ms = -1;  ///< below zero: none
  std::int64_t grace_ms = 5000;
};

/// Where the start of a program failed.
enum class Stage : std::uint32_t { none, request, session, terminal, limits, groups, gid, uid, cwd, program, spawn };

enum class Phase : std::uint32_t {
  starting,
  failed,  ///< the program was never started: `stage` and `error` say why. The shim ends.
  running,
  ended,  ///< the program has ended; descendants are left
  gone,   ///< nothing is left. The shim ends.
};

/// Everything there is to say. Each report is the whole state, so that the last one counts and none can be missed; the
/// same bytes are the status file of a background exec.
struct State {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  Phase phase = Phase::starting;
  Stage stage = Stage::none;
  std::int32_t error = 0;  ///< errno of `stage`
  std::int32_t pid = 0;
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  std::uint32_t core_dumped = 0;
  std::uint32_t timed_out = 0;
  std::uint32_t killed = 0;      ///< by us, for whatever reason
  std::uint32_t oom_killed = 0;  ///< see `oom_kills` in oom.hpp
  std::int64_t started_us = 0;   ///< UTC
  std::int64_t ended_us = 0;
  std::int64_t duration_us = 0;
  std::int64_t user_us = 0;  ///< of everything that was reaped
  std::int64_t system_us = 0;
  std::int64_t max_rss_bytes = 0;
  std::uint64_t out_end = 0;  ///< of the spools
  std::uint64_t err_end = 0;
  std::uint32_t has_input = 0;  ///< input can still be given
  std::uint32_t reserved = 0;
};

enum class Verb : std::uint32_t {
  signal,       ///< `a` the number, `b` a `Target`
  kill,         ///< TERM to all, after `value` milliseconds KILL
  resize,       ///< `a` columns, `b` rows
  seen,         ///< the last state arrived: send another when there is more output
  give_input,   ///< send a state with the input descriptor attached
  close_input,  ///< end the program's input
};

enum class Target : std::uint32_t { process, group, all };

struct Command {
  Verb verb = Verb::seen;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::uint32_t reserved = 0;
  std::int64_t value = 0;
};

}  // namespace swarm::agentd::shim
