#pragma once

#include "agentd/exec/users.hpp"
#include "agentd/files/files.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// What the files methods work with; outlives the router.
struct FilesService {
  files::Files files;
  /// Watches that run, by connection and id. A watch belongs to its connection and ends with it.
  struct Watching {
    async::TaskSet::Ticket task;
  };
  std::map<std::pair<wire::Connection*, std::string>, Watching> watches;
  std::uint64_t next_watch = 1;
};

/// Whose rights file operations have: of a user of the sandbox, or of its default user.
std::function<Result<Credentials>(const std::optional<std::string>&)> credentials_from(const Users& users);

/// Serves `files.*` to the daemon.
void bind_files(wire::Router& router, FilesService& service);

}  // namespace swarm::agentd
