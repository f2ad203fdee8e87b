#pragma once
// What the methods of the daemon stand on, and the list of their domains. A new method: its struct in protocol/api, a
// line in the file of its domain here.

#include "daemon/config/load.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/daemon.hpp"
#include "protocol/places/places.hpp"
#include "protocol/wire/router.hpp"

namespace swarm::forward {
class Forwards;
}

namespace swarm::team {
class Authorities;
class Residences;
}  // namespace swarm::team

namespace swarm::templates {
class Builds;
}

namespace swarm::rpc {

/// What a method may ask of the program around it.
class Control {
 public:
  virtual ~Control() = default;
  /// Begins to stop; returns at once. `why` is for the log and the event.
  virtual void stop(Duration drain, std::string why) = 0;
  /// Reads the configuration again.
  virtual Result<api::DaemonReloadReply> reload() = 0;
  [[nodiscard]] virtual std::size_t connections() const = 0;
};

struct Services {
  async::Loop& loop;
  store::Store& store;
  sandbox::Sandboxes& sandboxes;
  const std::vector<providers::Provider*>& providers;
  const config::Loaded& loaded;
  const Places& places;
  const std::filesystem::path& log_file;  ///< empty: none
  Control& control;
  forward::Forwards& forwards;
  team::Residences& residences;
  team::Authorities& authorities;
  async::TaskSet& background;  ///< work that outlives the client that caused it
  WallTime started;
  MonoTime started_mono;
  /// The sandbox in which an agent of a swarm has its pane; the swarm by id, prefix or name.
  std::function<Result<std::string>(const std::string& swarm, const std::string& pane)> sandbox_of_pane;
  /// All sandboxes of a swarm.
  std::function<Result<std::vector<std::string>>(const std::string& swarm)> sandboxes_of_swarm;
};

void add_db_methods(wire::Router& router, Services& services);
void add_pool_methods(wire::Router& router, Services& services);
void add_daemon_methods(wire::Router& router, Services& services);
void add_events_methods(wire::Router& router, Services& services);
void add_exec_methods(wire::Router& router, Services& services);
void add_files_methods(wire::Router& router, Services& services);
void add_forward_methods(wire::Router& router, Services& services);
void add_pane_methods(wire::Router& router, Services& services);
void add_sandbox_methods(wire::Router& router, Services& services);
void add_team_methods(wire::Router& router, Services& services);
void add_template_methods(wire::Router& router, Services& services, templates::Builds& builds);

}  // namespace swarm::rpc
