#pragma once
// Carries out what budgets decide: pauses or ends the sandboxes of a budget, and lets go on what it paused once it is
// raised, removed or begins anew. Doing it again changes nothing, so that what a crash interrupted is simply repeated.
//
// A budget of one agent acts on sandboxes in which that agent lives alone. In a shared one the others' work goes on;
// the event `budget.reached` names the agent for those who can stop it there.

#include <map>

#include "daemon/costs/budgets.hpp"
#include "daemon/sandbox/sandboxes.hpp"

namespace swarm::steward {

class Enforcer {
 public:
  Enforcer(async::Loop& loop, store::Store& store) : store_(store), tasks_(loop) {}
  Enforcer(const Enforcer&) = delete;
  Enforcer& operator=(const Enforcer&) = delete;

  /// From now on actions are carried out, and those that came before are. Null before the sandboxes go away.
  void attach(sandbox::Sandboxes* sandboxes);

  /// For Budgets::Enforce.
  void act(const costs::Action& action);

 private:
  async::Task<> carry_out(costs::Action action);
  async::Task<> hold(std::string id, std::string budget, std::string reason);
  async::Task<> end(std::string id, std::string reason);
  async::Task<> let_go(std::string id);
  async::Task<Result<std::vector<std::string>>> within(costs::Budget budget);

  store::Store& store_;
  sandbox::Sandboxes* sandboxes_ = nullptr;
  std::map<std::string, costs::Action> in_force_;  // by budget
  async::TaskSet tasks_;
};

}  // namespace swarm::steward
