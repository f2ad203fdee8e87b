#pragma once
// Worktrees: made, filled, emptied. Blocking.

#include "agentd/git/objects.hpp"
#include "protocol/api/git.hpp"

namespace swarm::agentd::git {

/// Makes branch, worktree and record, or finds them. `base`: see git.worktree.
Result<api::GitWorktreeReply> make_worktree(const Worktree& worktree, const std::optional<std::string>& base);

enum class Branch { keep, drop };
Result<void> remove_worktree(const Worktree& worktree, Branch branch);

/// What a checkout does with files that the commit does not have.
enum class Others {
  keep,
  remove_untracked,  ///< but not ignored ones
  remove_all,        ///< nothing but the commit is left
};
/// Makes the files those of `commit`, whatever they were, and git(1)'s index with them. Files of the tree `before` that
/// the commit does not have go.
Result<void> check_out(const Worktree& worktree, const Oid& commit, Others others,
                       const std::optional<Oid>& before = std::nullopt);

}  // namespace swarm::agentd::git
