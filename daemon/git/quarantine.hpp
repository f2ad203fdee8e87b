#pragma once
// Where a pack waits until it was looked at: an object directory of its own that builds on a repository's. Destroyed
// without `release`, it leaves nothing.

#include <memory>
#include <string>
#include <vector>

#include "daemon/git/program.hpp"

namespace swarm::git {

class Quarantine {
 public:
  /// A directory below `parent`, for objects on top of those in `objects`; both on one file system.
  static Result<Quarantine> make(const std::string& parent, const std::string& objects);
  Quarantine(Quarantine&& other) noexcept;
  Quarantine& operator=(Quarantine&&) = delete;
  ~Quarantine();

  /// Commits whose parents need not be there, also in the checks below.
  Result<void> set_shallow(const std::vector<std::string>& ids);

  enum class Check {
    hashes,  ///< every object is what its id says
    forms,   ///< also well-formed: names in trees, dates, `.gitmodules`
  };
  /// Takes a pack, completed with objects that are there (thin packs). A pack without a byte is fine.
  async::Task<Result<void>> index(const Program& program, GitCall base, std::unique_ptr<wire::ByteSource> pack,
                                  std::uint64_t limit_bytes, Check check);

  /// `failed_precondition` unless everything that the commits (one id a line) need is there.
  async::Task<Result<void>> check_complete(const Program& program, GitCall base, std::string ids);

  /// Moves what came to the repository, on disk before it returns.
  Result<void> release();

 private:
  Quarantine(std::string directory, std::string objects)
      : directory_(std::move(directory)), objects_(std::move(objects)) {}
  void enter(GitCall& call) const;

  std::string directory_;
  std::string objects_;
  bool has_shallow_ = false;
};

}  // namespace swarm::git
