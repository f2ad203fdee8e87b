#pragma once
// What the commands end with: `swarmctl` and `swarm` alike, so that scripts need to know one table.

#include "protocol/core/error.hpp"

namespace swarm {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;       ///< refused or failed
inline constexpr int kExitUsage = 2;        ///< the command line or an argument is wrong
inline constexpr int kExitUnavailable = 3;  ///< the daemon cannot be reached
inline constexpr int kExitNotFound = 4;
inline constexpr int kExitTimeout = 5;
inline constexpr int kExitDenied = 6;

/// Of a command that failed with this.
constexpr int exit_of(Code code) {
  switch (code) {
    case Code::invalid_argument:
      return kExitUsage;
    case Code::unavailable:
      return kExitUnavailable;
    case Code::not_found:
      return kExitNotFound;
    case Code::deadline_exceeded:
      return kExitTimeout;
    case Code::permission_denied:
    case Code::unauthenticated:
      return kExitDenied;
    default:
      return kExitFailed;
  }
}

}  // namespace swarm
