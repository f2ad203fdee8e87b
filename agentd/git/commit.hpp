#pragma once
// From a snapshot to a commit on the agent's branch.

#include "agentd/git/snapshot.hpp"
#include "protocol/api/git_inner.hpp"

namespace swarm::agentd::git {

/// What stands in the way of committing the added lines between two trees: secrets by their form, and conflict markers
/// where `merging`. `failed_precondition` names file and line, never the value.
enum class Merging { no, yes };
Result<void> check_added_lines(git_repository* repository, const Oid& from, const Oid& to, Merging merging);

/// Stores the snapshot and moves the branch: author is the agent. The new commit, or the old one where nothing changed.
/// A merge that was begun (`record.merging`) ends with it.
Result<api::GitCommitReply> commit_snapshot(Worktree& worktree, Snapshot& snapshot,
                                            const api::GitCommitRequest& request);

}  // namespace swarm::agentd::git
