#pragma once
// The locks that agents' edit tools take for them. In a worktree of its own an agent changes nothing for others until
// it hands its change in, so there the path is reserved until that is merged or dropped:
//
//   hook PreToolUse --> held --> its change is merged      (git.merge; nothing at the path is newer than what was
//   merged)
//                            --> its change is dropped     (its worktree is removed, or it gives its task up)
//                            --> the agent has ended, or was not heard of for the lock's time
//
// Each call of its hooks moves that time on. In a checkout that all share a change is there at once, and the lock is
// for a shorter time.

#include "agentd/git/git.hpp"
#include "agentd/rpc/team.hpp"

namespace swarm::agentd {

/// What edits hold in a repository, of all or of one agent; not of one that is changing something just now.
async::Task<Result<std::vector<git::Reserved>>> reserved_by_edits(TeamService& service, std::string repo,
                                                                  std::optional<std::string> agent);

/// Ends these locks.
async::Task<> give_back_edits(TeamService& service, std::vector<git::Reserved> locks);

/// Ends all that an agent's edits hold in its worktrees.
async::Task<> drop_edit_locks(TeamService& service, std::string agent);

}  // namespace swarm::agentd
