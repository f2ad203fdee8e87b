#pragma once
// Whose program is at the other end of a TCP connection inside the sandbox. TCP has no SO_PEERCRED; the kernel's table
// of sockets says it while the connection stands.

#include <sys/types.h>

#include <optional>
#include <string_view>

#include "protocol/transport/tcp.hpp"

namespace swarm::agentd {

/// The uid that owns the socket bound to `from` and connected to `to`, both loopback addresses of our own network
/// namespace; nothing when there is none any more. Reads /proc/net/tcp and tcp6 (proc(5)).
std::optional<uid_t> owner_of(const transport::TcpAddress& from, const transport::TcpAddress& to);

/// The same from the text of such a table.
std::optional<uid_t> owner_in(std::string_view table, const transport::TcpAddress& from,
                              const transport::TcpAddress& to);

}  // namespace swarm::agentd
