#pragma once

#include <chrono>
#include <string>

#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"
#include "protocol/core/value.hpp"

namespace swarm::cli {

/// Where agentd listens inside a sandbox.
inline constexpr const char* kInnerSocket = "/run/swarm/agentd.sock";

/// How far a call came.
enum class Sent {
  no,        ///< agentd knows nothing of it
  perhaps,   ///< it was sent, and no answer came
  answered,  ///< the answer, or the failure, is agentd's own
};

/// Whether something is there: outside of a sandbox there is not, inside there always is.
bool exists(const std::string& socket);

/// Calls one method of agentd and waits for its answer, at most `patience`. One connection for one call: `swarm` does
/// one thing and ends. Failures of the method keep their code; `unavailable` when agentd cannot be reached. `sent`,
/// where given, tells how far it came.
Result<Value> call(const std::string& socket, const std::string& method, const Value& arguments,
                   std::chrono::milliseconds patience, Sent* sent = nullptr);

// Parts of a call, for one that has a stream beside it (stream_call.hpp).

Result<UniqueFd> connect_to(const std::string& path);
Result<void> send_all(int fd, std::string_view bytes);
/// What `[0, "<code>: <message>"]` says.
Error to_error(const Value& shape);

}  // namespace swarm::cli
