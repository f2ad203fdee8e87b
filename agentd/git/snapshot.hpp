#pragma once
// The files of a worktree as a tree, read with its agent's rights and not stored yet. This is what a commit would
// contain: ignored files are left out, deletions are seen, line ends are normalised as `.gitattributes` says; filters
// of the repository are not run. A listing of nothing but names and hashes: content is only read where time, size or
// inode of a file changed.

#include <memory>

#include "agentd/git/layout.hpp"
#include "agentd/git/objects.hpp"
#include "protocol/api/git.hpp"
#include "protocol/git/staging.hpp"

namespace swarm::agentd::git {

struct SnapshotLimits {
  std::uint64_t file_bytes = std::uint64_t{100} << 20U;   ///< of one file; GitHub's own limit
  std::uint64_t total_bytes = std::uint64_t{512} << 20U;  ///< of new content, which is held in memory
};

struct Snapshot {
  std::unique_ptr<swarm::git::Staging> staging;
  swarm::git::Index index;  ///< of all files, with times, for git(1)'s next look
  Oid head;
  Oid head_tree;
  Oid tree;
  std::vector<std::string> limited_to;  ///< the paths that it was limited to
};

/// `paths`: only these files and what is below these directories changes; else everything. `resource_exhausted` for a
/// file that is too large.
Result<Snapshot> take_snapshot(const Worktree& worktree, const std::vector<std::string>& paths,
                               const SnapshotLimits& limits);

/// After the snapshot became the branch's commit: git(1) shall see nothing to commit. Best effort: where the agent's
/// own git holds the lock, it finds out by itself.
void refresh_index(const Worktree& worktree, Snapshot& snapshot);

/// Opens git(1)'s index of the worktree, or makes one of `tree` where it is missing or damaged. With the agent's
/// rights.
Result<swarm::git::Index> open_index(const Worktree& worktree, git_repository* repository, const Oid& tree);

/// What differs between two trees; lines are not counted.
Result<std::vector<api::GitChange>> changed_paths(git_repository* repository, const std::optional<Oid>& from,
                                                  const Oid& to);

/// Bytes of a path as a pathspec that matches it alone: no leading "./", no slash at its end. `invalid_argument` for
/// one that leads out of the repository.
Result<std::string> clean_path(const std::string& path);

}  // namespace swarm::agentd::git
