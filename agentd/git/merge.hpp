#pragma once
// Merging commits without touching files: the merged tree is made in the object store, and only then tried out.

#include "agentd/git/worktree.hpp"
#include "protocol/api/git_inner.hpp"

namespace swarm::agentd::git {

/// Two commits put together.
struct Merged {
  std::optional<Oid> tree;  ///< nothing when there are conflicts
  std::vector<api::GitConflict> conflicts;
  /// With conflicts: the tree with what merged by itself, and for conflicted texts both sides between markers.
  std::optional<Oid> marked_tree;
};

struct Sides {
  std::string ours;  ///< for the markers
  std::string theirs;
};

/// Merges `theirs` into `ours`. New objects are stored.
Result<Merged> merge_commits(git_repository* repository, const std::vector<Oid>& shallow, const Oid& ours,
                             const Oid& theirs, const Sides& labels);

/// A candidate on top of the integration branch, made but not yet there.
struct Plan {
  api::GitMergeReply reply;        ///< complete unless `commit` is set
  std::optional<Oid> commit;       ///< to be tested
  std::optional<Oid> integration;  ///< what the branch is expected to be
};

/// Decides what a merge would do: `empty`, `conflict`, merged already, or a commit to test. The integrator's branch
/// must be there.
Result<Plan> plan_merge(const Worktree& integrator, const api::GitMergeRequest& request);

/// Moves the integration branch to a tested commit.
Result<void> finish_merge(const Worktree& integrator, const Plan& plan);

/// git.sync for a worktree whose snapshot equals its branch.
Result<api::GitSyncReply> sync(Worktree& worktree);
Result<api::GitSyncReply> abort_sync(Worktree& worktree);

}  // namespace swarm::agentd::git
