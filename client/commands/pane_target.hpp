#pragma once
// Which pane a command is for: by its name alone where one sandbox has a pane of that name, else with the sandbox or
// the swarm.

#include <string>

#include "client/connect.hpp"
#include "protocol/api/pane.hpp"

namespace CLI {
class App;
}

namespace swarm::client {

struct PaneTarget {
  std::string pane;  ///< "agent-1"
  std::string sandbox;
  std::string swarm;
};

/// The options --sandbox and --swarm.
void add_pane_place(CLI::App& command, PaneTarget& target);
/// The argument that names the pane, and the options.
void add_pane_target(CLI::App& command, PaneTarget& target, const std::string& name = "AGENT");

/// The sandboxes that a command without a pane is for: the named one, or all that run.
async::Task<Result<std::vector<std::string>>> find_sandboxes(Client& client, PaneTarget target);

/// The sandbox of the pane. `not_found` and `invalid_argument` say where such panes are.
async::Task<Result<std::string>> find_pane(Client& client, PaneTarget target);

/// A request for one sandbox.
template <class T>
api::AtPane<T> at_sandbox(const std::string& sandbox, T request = {}) {
  api::AtPane<T> made;
  static_cast<T&>(made) = std::move(request);
  made.sandbox = sandbox;
  return made;
}

}  // namespace swarm::client
