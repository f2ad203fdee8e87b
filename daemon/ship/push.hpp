#pragma once
// git push from one of our bare repositories, with a credential that only the git at work can read: it comes through a
// pipe that this git alone inherits, and is asked for by git when the server wants one. Argument lists, environments
// and files never have it.

#include "daemon/git/program.hpp"
#include "daemon/ship/credentials.hpp"

namespace swarm::ship {

/// One push.
struct Push {
  std::string directory;  ///< the bare repository that has the commit
  Remote remote;
  std::filesystem::path ca_file;
  std::string branch;  ///< there
  std::string commit;
};

class Pusher {
 public:
  explicit Pusher(const git::Program& program) : program_(program) {}

  /// Where the branch stands there; empty when it does not exist.
  async::Task<Result<std::string>> look(Push push, std::shared_ptr<const Credential> credential) const;

  /// Asks the server whether it would take it, and changes nothing.
  async::Task<Result<void>> rehearse(Push push, std::shared_ptr<const Credential> credential) const;

  /// Sets the branch there to the commit, only forward; where it stands there already, nothing happens.
  async::Task<Result<void>> push(Push push, std::shared_ptr<const Credential> credential) const;

  /// Puts the branch back to `before` (empty: removes it), if it still stands where `push` has set it.
  async::Task<Result<void>> undo(Push push, std::string before, std::shared_ptr<const Credential> credential) const;

 private:
  async::Task<Result<std::string>> call(Push push, std::vector<std::string> arguments,
                                        std::shared_ptr<const Credential> credential) const;
  const git::Program& program_;
};

/// What git's words about a push mean: what may pass by itself is `unavailable`, and retryable.
Error push_failure(const std::string& words, const Remote& remote, const std::string& origin);

}  // namespace swarm::ship
