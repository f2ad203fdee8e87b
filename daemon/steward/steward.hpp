#pragma once
// What the lifecycle of sandboxes hears of money and rates: new work is refused where a budget is used up, a create
// waits for its provider's rate, and every step is counted in its own transaction.
//
//   Sandboxes --(sandbox::Steward)--> AccountSteward --> costs::Meter, costs::Budgets, limits::Limiters
//
// It knows both sides, so that neither knows the other.

#include <mutex>
#include <string>

#include "daemon/costs/costs.hpp"
#include "daemon/limits/limiters.hpp"
#include "daemon/sandbox/steward.hpp"

namespace swarm::steward {

/// "provider/e2b/create", "provider/e2b/api".
[[nodiscard]] std::string create_key(const std::string& provider);
[[nodiscard]] std::string api_key(const std::string& provider);

/// What a provider says that its plan allows, as rules for the limiters.
[[nodiscard]] std::vector<limits::Rule> plan_rules(const std::vector<providers::Provider*>& providers);

class AccountSteward final : public sandbox::Steward {
 public:
  /// `label`: the label of sandboxes whose value costs are summed by. The others outlive it.
  AccountSteward(costs::Costs& costs, limits::Limiters& limiters, std::string label)
      : costs_(costs), limiters_(limiters), label_(std::move(label)) {}

  /// Steps from now on go by that label.
  void set_label(std::string label);

  [[nodiscard]] Result<void> admit(const std::string& swarm) const override;
  [[nodiscard]] Result<void> admit_again(const std::string& swarm) const override;
  async::Task<Result<sandbox::Leave>> leave_to_create(sandbox::Turn turn) override;
  Result<void> stepped(store::Changes& changes, const sandbox::Step& step) override;
  [[nodiscard]] Result<std::vector<std::string>> open(store::Database& db) const override;

 private:
  costs::Costs& costs_;
  limits::Limiters& limiters_;
  std::mutex mutex_;
  std::string label_;  // guarded by mutex_: set on the loop, read on the writer's thread
};

}  // namespace swarm::steward
