#pragma once
// Objects that are made but not stored yet. What is read from files with an agent's rights must not be written with
// them: the store belongs to agentd. So an object database is put together that reads the store and keeps new objects
// in memory, until somebody with the right to write calls `store`.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/git/library.hpp"

namespace swarm::git {

class Staging {
 public:
  /// Opens the repository at `git_dir` with such a database. `resource_exhausted` from libgit2's calls once more than
  /// `limit_bytes` are staged.
  static Result<std::unique_ptr<Staging>> open(const std::string& git_dir, std::uint64_t limit_bytes);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  [[nodiscard]] git_repository* repository() const { return repository_.get(); }
  [[nodiscard]] git_odb* store_odb() const { return store_.get(); }

  /// Writes what was staged into the store, and forgets it.
  Result<void> store();

  /// What made libgit2 fail, where it was this object.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

 private:
  struct Object {
    int type = 0;
    std::string data;
  };
  struct Backend;
  friend struct Backend;

  Staging() = default;
  int add(const git_oid* id, const void* data, std::size_t size, int type);

  Odb store_;
  git_odb_backend* loose_ = nullptr;  ///< of `store_`, for writing
  Repository repository_;
  std::unordered_map<Oid, Object, OidHash> objects_;
  std::vector<Oid> order_;
  std::uint64_t bytes_ = 0;
  std::uint64_t limit_bytes_ = 0;
  std::optional<Error> trouble_;
};

/// Opens the repository whose data is in `git_dir`, as one without a worktree.
Result<Repository> open_bare(const std::string& git_dir);

}  // namespace swarm::git
