#pragma once
// From what a caller calls a path to repository and path in it. The same file has the same name in every worktree:
//
//   /workspace/<repo>/src/a.c                      -> <repo>, src/a.c
//   /workspace/.worktrees/<agent>/<repo>/src/a.c   -> <repo>, src/a.c

#include <string>
#include <string_view>
#include <vector>

#include "protocol/coord/path.hpp"

namespace swarm::agentd {

/// Repositories as they are checked out in the workspace. Looks at the file system with each call; blocks for that.
class Checkouts {
 public:
  explicit Checkouts(std::string workspace) : workspace_(std::move(workspace)) {}

  /// Names of the repositories, sorted: directories of the workspace with a `.git` in them.
  [[nodiscard]] std::vector<std::string> repositories() const;

  /// Whether an absolute path is in a repository, or in the workspace of one without any.
  [[nodiscard]] bool holds(const std::string& path) const { return place({}, path).has_value(); }

  /// Whether an absolute path is in a worktree of that agent's own.
  [[nodiscard]] bool in_worktree_of(const std::string& agent, const std::string& path) const {
    return !agent.empty() && path.starts_with(workspace_ + "/.worktrees/" + agent + "/");
  }

  /// What is to be locked. `repository` empty: the only one, or what an absolute `path` lies in. Links are followed in
  /// the worktree of `agent` where it has one. `invalid_argument` for a path outside, and where it is not clear which
  /// repository is meant.
  [[nodiscard]] Result<coord::LockKey> key(const std::string& agent, const std::string& repository,
                                           coord::LockKind kind, const std::string& path) const;

 private:
  struct Place {
    std::string repository;
    std::string path;
  };
  [[nodiscard]] Result<Place> place(const std::string& repository, const std::string& path) const;
  [[nodiscard]] coord::PathRules rules(const std::string& agent, const std::string& repository) const;

  std::string workspace_;
};

}  // namespace swarm::agentd
