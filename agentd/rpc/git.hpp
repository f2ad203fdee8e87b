#pragma once

#include "agentd/git/git.hpp"
#include "agentd/rpc/exec.hpp"
#include "agentd/rpc/happenings.hpp"
#include "agentd/rpc/team.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::agentd {

/// Serves `git.*` to the daemon and, as far as they are for them, to programs of the sandbox. All outlive the router.
void bind_git(wire::Router& router, git::Git& git, const Team& team);

/// How git is set up in a sandbox with a team. What it refers to outlives it.
git::GitSetup git_setup(std::string workspace, const Users& users, ExecService& execs, TeamService& team,
                        Happenings& happenings);

/// Runs the test of a merge as its user, in the sandbox's ordinary environment. `service` outlives what it gives.
std::function<async::Task<Result<git::TestResult>>(git::TestRequest)> git_tests(ExecService& service);

/// Rights of a user, by name or uid. An agent without an entry in the sandbox's passwd has the uid that its name stands
/// for (`agent-0` 2001, `integrator` 2000) where agentd may become somebody else, and agentd's own where not.
std::function<Result<Credentials>(const std::string&)> git_users(const Users& users);

}  // namespace swarm::agentd
