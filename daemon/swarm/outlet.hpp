#pragma once
// What leaves a swarm for the remotes of its user's repositories, and who takes it there.

#include <string>
#include <vector>

#include "protocol/api/ship.hpp"
#include "protocol/async/task.hpp"
#include "protocol/core/error.hpp"

namespace swarm::swarms {

/// One repository of a swarm, with what was merged in it.
struct Cargo {
  std::string name;         ///< as it is called inside
  std::string repository;   ///< the user's, on the host
  std::string git_dir;      ///< of that: where its remotes are named
  std::string keep;         ///< our bare repository, which has the commits
  std::string base_branch;  ///< that the swarm began from; empty: it was no branch
  std::string base_commit;
  std::string head;  ///< empty: nothing was merged
};

/// What a swarm has to show for itself.
struct Goods {
  std::string swarm;
  std::string name;
  std::string branch;
  std::string title;
  std::string body;
  std::vector<Cargo> cargoes;
};

/// Takes results out.
class Outlet {
 public:
  virtual ~Outlet() = default;
  /// Whether a repository (its git directory on the host) has the remote that the wish names, and it can be pushed to.
  virtual async::Task<Result<void>> check(std::string git_dir, api::ShipmentWish wish) = 0;
  /// Records that a swarm's result is to leave as its deploy asked for, and begins; asked again, it is the same one.
  virtual async::Task<Result<void>> ship_at_end(std::string swarm, api::ShipmentWish wish) = 0;
};

}  // namespace swarm::swarms
