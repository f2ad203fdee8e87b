#pragma once
// The programs of a swarm's agents, in panes of its sandbox: started as their kind says, watched for as long as the run
// goes, started again where they end too early, and given up after some times. The engine gives the work of one that
// was given up to others.
//
//   start --> running --ends--> the run is over?   yes: ended
//                ^                no: one-shot and well: rests until it has a turn --.
//                |                    else: again, a few times, then gone            |
//                '-------------------------------------------------------------------'
//
// What is known of a program between two of its ends (how often it fell) is memory; what the record says of an agent
// ("running", "resting", "gone", "ended") is kept.

#include <memory>
#include <string>

#include "daemon/swarm/swarms.hpp"
#include "protocol/api/pane_types.hpp"

namespace swarm::swarms {

class Agents {
 public:
  explicit Agents(Swarms& swarms) : swarms_(swarms) {}
  Agents(const Agents&) = delete;
  Agents& operator=(const Agents&) = delete;

  using Tunnel = std::shared_ptr<wire::Connection>;

  /// Starts an agent's program with its brief, unless it runs.
  async::Task<Result<void>> start(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent, std::string brief);
  /// Ends it; one that is not there is no error.
  async::Task<Result<void>> stop(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent);

  /// Looks after a swarm's agents and the way to them for as long as its run goes, or until its sandbox is lost: then
  /// it says so in the swarm. Dropping it stops only the looking.
  /// `place` is one of its sandboxes, by name; of several one that is lost is made anew.
  async::Task<> tend(std::shared_ptr<Swarm> swarm, std::string place);

 private:
  /// Why a program is started.
  enum class Cause { first, again, resume, turn };

  async::Task<Result<void>> launch(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent, Cause cause);
  static async::Task<> watch(Agents* self, std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent,
                             async::Event& cut);
  async::Task<> ended(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent,
                      std::optional<api::PaneInfo> pane);
  /// Waits until it is a resting agent's turn, and starts it. False: in another sandbox, so that this way to it ends.
  async::Task<bool> take_turn(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name);
  /// Starts one that ended too early again, or gives it up.
  async::Task<> fall(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent, std::optional<api::PaneInfo> pane);
  async::Task<> give_up(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent, std::string why);
  /// The base URL of an agent's model as seen inside; empty where its kind asks for none.
  async::Task<Result<std::string>> model_url(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name);
  async::Task<Result<void>> join(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name);
  async::Task<Result<void>> mark(std::shared_ptr<Swarm> swarm, std::string agent, std::string state,
                                 std::string reason = {});
  async::Task<bool> goes_on(std::shared_ptr<Swarm> swarm);
  async::Task<bool> sandbox_is_gone(std::string sandbox);
  async::Task<> reached(std::shared_ptr<Swarm> swarm, std::string place, bool yes);

  Swarms& swarms_;
};

}  // namespace swarm::swarms
