#pragma once
// Which swarm lives in which sandbox: what `team.open` was called for, and what others who make swarms know. It is how
// calls of clients find the agentd that is a swarm's authority, and how calls from a sandbox are kept to its own swarm.

#include <map>
#include <vector>

#include "daemon/sandbox/sandboxes.hpp"
#include "daemon/team/homes.hpp"
#include "protocol/api/team.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/store/store.hpp"

namespace swarm::team {

/// The table of this domain.
extern const store::Domain kResidenceDomain;

/// Belongs to the loop's thread.
class Residences final : public Homes {
 public:
  Residences(async::Loop& loop, store::Store& store, sandbox::Sandboxes& sandboxes);
  Residences(const Residences&) = delete;
  Residences& operator=(const Residences&) = delete;
  ~Residences() override;

  /// Reads what is recorded and forgets homes that are gone. When sandboxes are recovered.
  async::Task<Result<void>> recover();

  /// Another who knows homes; is asked first. Must outlive this.
  void ask_first(const Homes& other) { others_.push_back(&other); }

  /// Opens the team in the sandbox's agentd, and records where it is. `already_exists` when the swarm lives elsewhere.
  async::Task<Result<api::TeamInfo>> open(std::string sandbox, api::TeamOpenRequest request);

  [[nodiscard]] Result<Home> find(const std::optional<std::string>& what) const override;
  [[nodiscard]] std::optional<Home> of_sandbox(const std::string& sandbox) const override;

 private:
  [[nodiscard]] Result<Home> find_own(const std::optional<std::string>& what) const;
  void sandbox_changed(const std::vector<store::Event>& events);
  static async::Task<> forget(store::Store* store, std::string swarm);

  store::Store& store_;
  sandbox::Sandboxes& sandboxes_;
  std::vector<const Homes*> others_;
  std::map<std::string, Home> homes_;  ///< by swarm
  store::Subscription listening_;
  async::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace swarm::team
