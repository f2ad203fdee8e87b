#pragma once
// Differences, logs and states: what is only read. Blocking.

#include "agentd/git/snapshot.hpp"
#include "protocol/api/git_inner.hpp"

namespace swarm::agentd::git {

/// git.diff between two trees of one repository. `from` and `to` of the reply are the caller's to set.
Result<api::GitDiffReply> diff_trees(git_repository* repository, const Oid& from, const Oid& to,
                                     const api::GitDiffRequest& request);

/// git.diff with its commits looked up; `snapshot` is the worktree where `to` is not given.
Result<api::GitDiffReply> diff(const Layout& layout, const std::string& repo, const std::optional<Worktree>& worktree,
                               const api::GitDiffRequest& request, const SnapshotLimits& limits);

/// git.log; `branch` is where it begins unless the request says so.
Result<api::GitLogReply> log(const Layout& layout, const std::string& repo, const std::string& branch,
                             const api::GitLogRequest& request);

/// git.status
Result<api::GitStatusReply> status(const Worktree& worktree, const SnapshotLimits& limits);

}  // namespace swarm::agentd::git
