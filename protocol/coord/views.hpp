#pragma once
// What people and tools that know the files of old find in the workspace. Views are made from the state, never read
// back: deleting one loses nothing. Pure functions; who hosts them writes the files (replaced by rename).

#include <map>
#include <span>
#include <string>

#include "protocol/coord/lock_table.hpp"
#include "protocol/coord/message.hpp"
#include "protocol/coord/registry.hpp"

namespace swarm::coord {

/// The content of `ACTIVE_AGENTS.json`: those alive, with what each does, holds and has not read. `locked`: paths, by
/// who holds them.
std::string active_agents_view(std::span<const AgentRecord> agents,
                               const std::map<std::string, std::vector<std::string>>& locked,
                               const std::map<std::string, std::int64_t>& unread, Moment now, Span paused);

/// One line of `agent_messages.log`, with its end: a JSON object.
std::string message_log_line(const Message& message, std::span<const std::string> recipients, Span paused);

/// The content of a file in `.agent_locks/`.
std::string lock_view(const Lease& lease, Span paused);

/// The name of that file: the path with everything but letters, digits, '.', '_' and '-' as %XX, cut
/// where a file system would refuse it, the lease's id, ".lock". Never a path, never the same for two leases.
std::string lock_file_name(const Lease& lease);

}  // namespace swarm::coord
