#pragma once
// An agent's own commits put on top of the integration branch, one after the other. It is all or nothing: the new
// commits are made in the object store first, and only when all of them fit do the files and the branch change. A
// rebase that stops half-way has a state of its own in which a commit, a sync, a merge and a look at the branch mean
// something else, and in which a killed agent leaves its worktree. Who has conflicts resolves them once, with a sync.

#include "agentd/git/merge.hpp"

namespace swarm::agentd::git {

/// New commits, made but on no branch yet.
struct Rebase {
  api::GitRebaseReply reply;  ///< complete unless `tip` is set
  Oid head;                   ///< where the branch is
  Oid head_tree;
  std::optional<Oid> tip;          ///< where it is to be
  std::vector<std::string> paths;  ///< what the new commits change on top of the integration branch
};

/// Makes the new commits. Author, his time and the message stay as they are; the agent is committer. A commit whose
/// change is there already is left out, and so are merges of the integration branch. `failed_precondition` when a merge
/// holds more than that.
Result<Rebase> plan_rebase(const Worktree& worktree);

/// Files first, then the branch. The old tip stays reachable as `refs/swarm/before/<swarm>/<agent>/<its id>`.
Result<void> finish_rebase(const Worktree& worktree, const Rebase& rebase);

}  // namespace swarm::agentd::git
