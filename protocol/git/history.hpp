#pragma once
// Which commits one has and the other has not. libgit2 1.5 stops at the edge of a shallow repository, so commits are
// walked here: newest first, marked with the side that they were reached from, until only common ones are left.

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "protocol/git/library.hpp"

namespace swarm::git {

class History {
 public:
  /// `repository` must outlive it. Commits of `shallow` have no parents here.
  History(git_repository* repository, const std::vector<Oid>& shallow);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  struct Compared {
    std::vector<Oid> ours;    ///< reached from the first side alone, newest first
    std::vector<Oid> theirs;  ///< from the second side alone, newest first
    std::vector<Oid> bases;   ///< best common ones; none in unrelated histories
  };
  /// `not_found` names a commit that is missing. Fails with `resource_exhausted` after `kMost` commits.
  Result<Compared> compare(const std::vector<Oid>& one, const std::vector<Oid>& other);

  /// Whether `ancestor` is `commit` or can be reached from it.
  Result<bool> contains(const Oid& commit, const Oid& ancestor);

  Result<std::vector<Oid>> parents(const Oid& commit);

  static constexpr std::size_t kMost = 5'000'000;

 private:
  struct Node;
  Result<Node*> node(const Oid& id);

  git_repository* repository_;
  std::unordered_set<Oid, OidHash> shallow_;
  struct Nodes;
  std::unique_ptr<Nodes> nodes_;
};

}  // namespace swarm::git
