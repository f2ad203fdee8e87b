#pragma once

#include "agentd/git/merge.hpp"

namespace swarm::agentd::git {

/// A path that could not be merged, and what the author finds there.
struct ConflictedPath {
  api::GitConflict conflict;
  std::optional<std::string> marked;  ///< the text with both sides
  std::optional<Oid> keep;            ///< else this content
  std::uint32_t mode = 0;
};

Result<std::vector<ConflictedPath>> read_conflicts(git_repository* repository, git_index* index, const Sides& labels);

/// The trees that an index of libgit2's merge stands for. What cannot be merged is taken out of the index. New objects
/// are stored.
Result<Merged> read_merged(git_repository* repository, git_index* index, const Sides& labels);

}  // namespace swarm::agentd::git
