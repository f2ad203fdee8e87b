#pragma once
// Whose hands the bare repositories of swarms are in: each is opened once at a time, and shared by all who use it. Only
// so can an opening clear what a crash left there without taking away what somebody is just receiving.

#include <map>
#include <memory>
#include <string>

#include "daemon/git/keep.hpp"

namespace swarm::git {

class Keeps {
 public:
  /// `program` outlives it. Two of these must not serve the same directories.
  explicit Keeps(const Program& program, KeepLimits limits = {})
      : program_(program), limits_(limits), turn_(program.loop()) {}
  Keeps(const Keeps&) = delete;
  Keeps& operator=(const Keeps&) = delete;

  /// What happens where there is none.
  enum class Missing { make, refuse };

  /// The repository at `directory`: the one that somebody has open, else it is opened and leftovers of a crash go.
  /// `not_found` where there is none and none is to be made.
  async::Task<Result<std::shared_ptr<Keep>>> open(std::string directory, Missing missing);

  /// Removes the repository when what is being received is done: from here on what it alone held is gone. Who has it
  /// open still is told `not_found`. Nothing happens where there is none.
  async::Task<Result<void>> remove(std::string directory);

  [[nodiscard]] const Program& program() const { return program_; }

 private:
  [[nodiscard]] std::shared_ptr<Keep> opened(const std::string& directory);

  const Program& program_;
  KeepLimits limits_;
  async::Turn turn_;                                   ///< of openings
  std::map<std::string, std::weak_ptr<Keep>> opened_;  ///< shared by those who use them; here it is only known
};

}  // namespace swarm::git
