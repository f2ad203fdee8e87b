#pragma once

#include <memory>

#include "daemon/accounts.hpp"
#include "daemon/config/load.hpp"
#include "daemon/e2b/endpoint.hpp"
#include "daemon/forward/forwards.hpp"
#include "daemon/log/log.hpp"
#include "daemon/rpc/answers.hpp"
#include "daemon/rpc/services.hpp"
#include "daemon/server.hpp"
#include "daemon/service/socket.hpp"
#include "daemon/service/systemd.hpp"
#include "daemon/steward/enforcer.hpp"
#include "daemon/steward/limited_provider.hpp"
#include "daemon/steward/steward.hpp"
#include "daemon/team/authorities.hpp"
#include "daemon/team/chronicle.hpp"
#include "daemon/team/residences.hpp"
#include "daemon/teams.hpp"
#include "daemon/templates/builds.hpp"

namespace swarm {

/// What a daemon is put together from where it is not the one that is shipped.
struct Parts {
  using MakeProviders = std::function<Result<std::vector<std::unique_ptr<providers::Provider>>>(
      async::Loop&, const config::Config&, const Places&)>;
  MakeProviders make_providers;                 ///< empty: those of the registry
  std::function<void(config::Config&)> adjust;  ///< changes what was read from the configuration
  std::string store_vfs;                        ///< see store::StoreOptions
  Duration reconcile_every = std::chrono::minutes(1);
  sandbox::StepObserver observer;  ///< see sandbox::Surroundings
  /// See workflow::EngineOptions::watch.
  std::function<void(const std::string& step, bool before)> watch_run;
};

/// The program put together: store, providers, sandboxes, server, and the order in which they start and stop.
class Daemon final : private rpc::Control {
 public:
  struct Setup {
    config::Sources sources;  ///< to read the configuration again
    config::Loaded loaded;
    Places places;
    service::ServiceManager& manager;
    log::Logging& logging;
    secrets::Redactor& redactor;
    /// The variables that secrets are taken from.
    std::map<std::string, secrets::SecretString> from_environment;
    Parts parts;
  };

  Daemon(async::Loop& loop, Random& random, Setup setup);
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() override;

  /// Opens everything; errors are sentences for the person who starts it.
  Result<void> open();

  /// Serves until it is told to stop by a signal or a client. Sandboxes live on.
  async::Task<Result<void>> run();

 private:
  void stop(Duration drain, std::string why) override;
  Result<api::DaemonReloadReply> reload() override;
  [[nodiscard]] std::size_t connections() const override;

  async::Task<> stop_on(int signal);
  async::Task<> reload_on_hangup();
  async::Task<> feed_watchdog();
  async::Task<Result<void>> record_start();
  async::Task<> record_stopping();
  async::Task<> record_end();

  async::Loop& loop_;
  Random& random_;
  Setup setup_;
  std::optional<service::ServerSocket> socket_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<steward::Enforcer> enforcer_;
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<steward::AccountSteward> steward_;
  std::vector<std::unique_ptr<providers::Provider>> providers_;
  std::vector<std::unique_ptr<steward::LimitedProvider>> limited_;
  std::vector<providers::Provider*> provider_list_;
  std::unique_ptr<wire::SessionBudget> budget_;
  std::unique_ptr<sandbox::TunnelSetup> tunnels_;
  std::unique_ptr<rpc::Answers> answers_;
  std::unique_ptr<wire::Router> router_;
  std::unique_ptr<wire::Router> tunnel_router_;
  std::unique_ptr<sandbox::Sandboxes> sandboxes_;
  std::unique_ptr<team::Authorities> authorities_;
  std::unique_ptr<Teams> teams_;
  std::unique_ptr<forward::Forwards> forwards_;
  std::unique_ptr<team::Residences> residences_;
  std::unique_ptr<e2b_endpoint::Endpoint> e2b_endpoint_;
  std::unique_ptr<team::Chronicle> chronicle_;
  std::unique_ptr<templates::Builds> template_builds_;
  std::unique_ptr<rpc::Services> services_;
  std::unique_ptr<Server> server_;
  Duration drain_{0};
  std::string stop_reason_;
  async::Event stopping_;
  async::TaskSet background_;
  async::TaskSet tasks_;
};

}  // namespace swarm
