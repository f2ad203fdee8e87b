#include "daemon/daemon.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstring>

#include "daemon/config/report.hpp"
#include "daemon/providers/e2b/settings.hpp"
#include "daemon/providers/local/setup.hpp"
#include "daemon/providers/registry.hpp"
#include "daemon/rpc/e2b.hpp"
#include "daemon/rpc/health.hpp"
#include "daemon/rpc/relay_calls.hpp"
#include "daemon/ship/remote.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/async/signals.hpp"
#include "protocol/coord/schema.hpp"
#include "protocol/core/version.hpp"
#include "protocol/store/folding.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm {
namespace {

// The log is folded beside the writer; only when it never rests does the writer do that itself, at 64 MiB: at 500
// claims a second every ten seconds. A round copies each page once, however often it was written since the last: rarer
// rounds do less, and leave more of the time in which nothing competes with who waits for an answer.
constexpr Duration kFoldEvery = std::chrono::seconds(2);
constexpr int kCheckpointFrames = 16'000;

wire::Limits wire_limits(const config::Limits& from) {
  wire::Limits limits;
  limits.max_frame_bytes = from.frame.bytes;
  limits.max_string_bytes = from.frame.bytes;
  limits.max_depth = from.nesting;
  limits.max_requests = from.requests_per_connection;
  return limits;
}

/// For whom mail waits in a sandbox.
async::Task<Result<void>> tell_mail(sandbox::Sandboxes* sandboxes, std::string sandbox, api::TeamMailRequest mail) {
  auto use = co_await sandboxes->use(std::move(sandbox));
  if (!use) co_return fail(use.error());
  const auto told =
      co_await wire::call_with_timeout(use->agent(), api::inside::kTeamMail, mail, std::chrono::seconds(10));
  if (!told) co_return fail(told.error());
  co_return {};
}

}  // namespace

Daemon::Daemon(async::Loop& loop, Random& random, Setup setup)
    : loop_(loop), random_(random), setup_(std::move(setup)), stopping_(loop), background_(loop), tasks_(loop) {}

Daemon::~Daemon() {
  tasks_.cancel_all();
  if (enforcer_) enforcer_->attach(nullptr);
  if (sandboxes_) sandboxes_->hang_up();
}

Result<void> Daemon::open() {
  const config::Config& config = setup_.loaded.config;

  // The socket first: it is also the lock that keeps a second daemon away from the store.
  service::ServiceManager& manager = setup_.manager;
  Result<service::ServerSocket> socket =
      manager.listen_fds.empty()
          ? service::ServerSocket::bind(setup_.places.socket)
          : service::ServerSocket::adopt(setup_.places.socket, std::move(manager.listen_fds.front()));
  if (!socket) return fail(socket.error());
  socket_.emplace(std::move(*socket));

  constexpr std::array kDomains = {&sandbox::kSandboxDomain, &sandbox::kPoolDomain, &team::kResidenceDomain,
                                   &e2b_endpoint::kBoxDomain, &coord::kCoordDomain};
  std::vector<store::Domain> domains;
  for (const store::Domain* domain : kDomains) domains.push_back(*domain);
  std::ranges::copy(Accounts::domains(), std::back_inserter(domains));
  std::ranges::copy(Teams::domains(), std::back_inserter(domains));
  const std::filesystem::path path =
      config.store.path.empty() ? setup_.places.database / "swarmd.db" : config.store.path;
  auto store = store::Store::open(loop_,
                                  {.path = path,
                                   .identity = {.program = fmt::format("swarmd {}", kVersion)},
                                   .writer = {.checkpoint_frames = kCheckpointFrames},
                                   .vfs = setup_.parts.store_vfs},
                                  domains, random_);
  if (!store) return fail(store.error());
  store_ = std::move(*store);

  Result<std::string> boot_id = costs::read_boot_id();
  if (!boot_id) return fail(boot_id.error());
  enforcer_ = std::make_unique<steward::Enforcer>(loop_, *store_);
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
  accounts_ = std::make_unique<Accounts>(
      Accounts::Setup{.loop = loop_,
                      .store = *store_,
                      .redactor = setup_.redactor,
                      .secret_places = {.stored = setup_.places.state / "secrets",
                                        .credentials = credentials == nullptr ? "" : credentials},
                      .from_environment = std::move(setup_.from_environment),
                      .boot_id = std::move(*boot_id),
                      .enforce = [this](const costs::Action& action) { enforcer_->act(action); },
                      .watching = [this] { return sandboxes_ != nullptr && sandboxes_->watching(); }},
      config);
  steward_ = std::make_unique<steward::AccountSteward>(accounts_->costs(), accounts_->limiters(), config.costs.label);

  Result<std::vector<std::unique_ptr<providers::Provider>>> made =
      setup_.parts.make_providers
          ? setup_.parts.make_providers(loop_, setup_.loaded.config, setup_.places)
          : providers::make_providers(loop_, setup_.loaded.config, setup_.places, accounts_->vault());
  if (!made) return fail(made.error());
  providers_ = std::move(*made);
  for (const auto& provider : providers_) {
    limited_.push_back(std::make_unique<steward::LimitedProvider>(*provider, accounts_->limiters(), loop_.clock()));
    provider_list_.push_back(limited_.back().get());
  }
  accounts_->set_plans(steward::plan_rules(provider_list_), config);

  budget_ = std::make_unique<wire::SessionBudget>(loop_, config.limits.session_buffers.bytes);
  tunnels_ = std::make_unique<sandbox::TunnelSetup>(sandbox::TunnelSetup{
      .instance = wire::InstanceId::make(random_),
      .version = {.major = kVersionMajor, .minor = kVersionMinor, .patch = kVersionPatch},
      .features = {},
      .budget = *budget_,
      .limits = wire_limits(config.limits),
      .session = {.keep_detached = config.local.max_offline},
  });
  const wire::ServerInfo self{.name = "swarmd", .version = std::string(kVersion), .features = {}};
  answers_ = std::make_unique<rpc::Answers>(loop_, *store_);
  router_ = std::make_unique<wire::Router>(self, loop_.clock(), answers_.get());
  tunnel_router_ = std::make_unique<wire::Router>(self, loop_.clock(), answers_.get());
  sandboxes_ =
      std::make_unique<sandbox::Sandboxes>(sandbox::Surroundings{.loop = loop_,
                                                                 .store = *store_,
                                                                 .random = random_,
                                                                 .config = setup_.loaded.config,
                                                                 .tunnels = *tunnels_,
                                                                 .providers = provider_list_,
                                                                 .tunnel_router = *tunnel_router_,
                                                                 .observer = setup_.parts.observer,
                                                                 .steward = steward_.get(),
                                                                 .reconcile_every = setup_.parts.reconcile_every});
  authorities_ = std::make_unique<team::Authorities>(
      loop_, *store_, random_, [this](std::string sandbox, api::TeamMailRequest mail) {
        return tell_mail(sandboxes_.get(), std::move(sandbox), std::move(mail));
      });
  teams_ = std::make_unique<Teams>(Teams::Setup{.loop = loop_,
                                                .store = *store_,
                                                .random = random_,
                                                .sandboxes = *sandboxes_,
                                                .authorities = *authorities_,
                                                .places = setup_.places,
                                                .meter = accounts_->costs().meter(),
                                                .vault = accounts_->vault(),
                                                .redactor = setup_.redactor,
                                                .limiters = accounts_->limiters(),
                                                .config = setup_.loaded.config,
                                                .watch_run = setup_.parts.watch_run});
  forwards_ = std::make_unique<forward::Forwards>(loop_, *store_, *sandboxes_, setup_.loaded.config, random_);
  e2b_endpoint_ = std::make_unique<e2b_endpoint::Endpoint>(
      e2b_endpoint::Endpoint::Surroundings{.loop = loop_,
                                           .store = *store_,
                                           .sandboxes = *sandboxes_,
                                           .config = setup_.loaded.config,
                                           .random = random_,
                                           .tunnel_router = *tunnel_router_,
                                           .directory = setup_.places.state / "e2b"});
  residences_ = std::make_unique<team::Residences>(loop_, *store_, *sandboxes_);
  residences_->ask_first(teams_->homes());
  chronicle_ = std::make_unique<team::Chronicle>(loop_, *store_, *residences_);
  sandboxes_->on_connected([this](const std::string& sandbox, std::shared_ptr<wire::Connection> connection) {
    if (chronicle_) chronicle_->follow(sandbox, std::move(connection));
    if (authorities_) authorities_->connected(sandbox);
  });
  services_ = std::make_unique<rpc::Services>(rpc::Services{.loop = loop_,
                                                            .store = *store_,
                                                            .sandboxes = *sandboxes_,
                                                            .providers = provider_list_,
                                                            .loaded = setup_.loaded,
                                                            .places = setup_.places,
                                                            .log_file = setup_.logging.file(),
                                                            .control = *this,
                                                            .forwards = *forwards_,
                                                            .residences = *residences_,
                                                            .authorities = *authorities_,
                                                            .background = background_,
                                                            .started = loop_.clock().wall(),
                                                            .started_mono = loop_.clock().now()});
  services_->sandbox_of_pane = [this](const std::string& swarm, const std::string& pane) -> Result<std::string> {
    Result<team::Home> home = residences_->find(swarm);
    if (!home) return fail(home.error());
    if (!authorities_->hosts(home->swarm)) return std::move(home->sandbox);
    return teams_->swarms().sandbox_of_agent(home->swarm, pane);
  };
  services_->sandboxes_of_swarm = [this](const std::string& swarm) -> Result<std::vector<std::string>> {
    Result<team::Home> home = residences_->find(swarm);
    if (!home) return fail(home.error());
    if (!authorities_->hosts(home->swarm)) return std::vector<std::string>{std::move(home->sandbox)};
    return teams_->swarms().sandboxes_of(home->swarm);
  };
  rpc::add_daemon_methods(*router_, *services_);
  rpc::add_health_methods(*router_, *services_, accounts_->costs());
  rpc::add_events_methods(*router_, *services_);
  rpc::add_exec_methods(*router_, *services_);
  rpc::add_pane_methods(*router_, *services_);
  rpc::add_files_methods(*router_, *services_);
  rpc::add_forward_methods(*router_, *services_);
  rpc::add_db_methods(*router_, *services_);
  rpc::add_pool_methods(*router_, *services_);
  rpc::add_sandbox_methods(*router_, *services_);
  rpc::add_team_methods(*router_, *services_);
  std::optional<e2b::Settings> account;
  if (config.e2b.enabled && !setup_.parts.make_providers) {
    Result<e2b::Settings> settings = e2b::settings_from(config, accounts_->vault());
    if (!settings) return fail(settings.error(), "provider e2b");
    account = std::move(*settings);
  }
  std::error_code unreadable;
  const Result<local::Installation> installed =
      local::find_installation(std::filesystem::read_symlink("/proc/self/exe", unreadable));
  template_builds_ = std::make_unique<templates::Builds>(
      loop_, std::move(account), installed ? installed->bundle : std::filesystem::path(), setup_.places.state);
  rpc::add_template_methods(*router_, *services_, *template_builds_);
  rpc::add_e2b_methods(*router_, *e2b_endpoint_);
  accounts_->add_methods(*router_);
  teams_->add_methods(*router_, *tunnel_router_);
  rpc::add_relay_methods(*tunnel_router_, *residences_, *authorities_);
  server_ = std::make_unique<Server>(loop_, socket_->take_fd(),
                                     Server::Options{.limits = wire_limits(config.limits),
                                                     .max_connections = config.limits.connections,
                                                     .allowed_uid = setup_.places.uid},
                                     *router_);
  return {};
}

async::Task<Result<void>> Daemon::run() {
  tasks_.spawn(stop_on(SIGTERM));
  tasks_.spawn(stop_on(SIGINT));
  tasks_.spawn(reload_on_hangup());
  drain_ = setup_.loaded.config.daemon.drain_timeout;

  const Result<void> accounts = co_await accounts_->start(setup_.loaded.config);
  if (!accounts) co_return fail(accounts.error());
  const Result<void> recovered = co_await sandboxes_->recover();
  if (!recovered) co_return fail(recovered.error());
  const Result<void> teams = co_await teams_->start();
  if (!teams) co_return fail(teams.error());
  enforcer_->attach(sandboxes_.get());
  const Result<void> residences = co_await residences_->recover();
  if (!residences) co_return fail(residences.error());
  const Result<void> endpoint = co_await e2b_endpoint_->start();
  if (!endpoint) co_return fail(endpoint.error());
  const Result<void> begun = co_await record_start();
  if (!begun) co_return fail(begun.error());
  tasks_.spawn(store::fold_aside(loop_, *store_, setup_.parts.store_vfs, kFoldEvery));
  server_->start();
  setup_.manager.notify(fmt::format("READY=1\nSTATUS=serving {}", setup_.places.socket.native()));
  if (setup_.manager.watchdog) tasks_.spawn(feed_watchdog());
  log::logger<"daemon">().info("ready", {{"version", kVersion}, {"socket", setup_.places.socket.native()}});

  co_await stopping_.wait();
  setup_.manager.notify("STOPPING=1");
  log::logger<"daemon">().info("stopping", {{"reason", stop_reason_}, {"in_flight", server_->requests_in_flight()}});
  co_await record_stopping();
  co_await e2b_endpoint_->stop(drain_);
  co_await server_->drain(drain_);
  background_.cancel_all();
  teams_->stop();
  // What sandboxes have asked is answered from what is taken apart now; an agent may be waiting for work for minutes.
  sandboxes_->hang_up();
  e2b_endpoint_.reset();
  forwards_.reset();
  chronicle_.reset();
  residences_.reset();
  const Result<void> remembered = co_await accounts_->stop();
  if (!remembered) log::logger<"daemon">().warn("rate limits start anew", {{"error", remembered.error()}});
  teams_.reset();
  authorities_.reset();
  enforcer_->attach(nullptr);
  sandboxes_.reset();  // the sandboxes themselves live on
  co_await record_end();
  co_return {};
}

void Daemon::stop(Duration drain, std::string why) {
  if (stopping_.is_set()) return;
  drain_ = drain;
  stop_reason_ = std::move(why);
  stopping_.set();
}

std::size_t Daemon::connections() const { return server_->connections(); }

Result<api::DaemonReloadReply> Daemon::reload() {
  auto wanted = config::load(setup_.sources);
  if (!wanted) {
    return fail(Code::invalid_argument,
                "the configuration was not taken over; it has mistakes:\n" + config::to_string(wanted.error()));
  }
  config::Config& running = setup_.loaded.config;
  e2b::adopt_environment(wanted->config, &running);
  ship::adopt_environment(wanted->config, &running);
  api::DaemonReloadReply reply;
  for (const config::Change& change : config::diff(running, wanted->config)) {
    switch (change.reload) {
      case config::Reload::now:
        reply.changed.push_back(change.key);
        break;
      case config::Reload::next:
        reply.for_new.push_back(change.key);
        break;
      case config::Reload::restart:
        reply.needs_restart.push_back(change.key);
        break;
    }
  }
  running = config::reloaded(running, wanted->config);
  setup_.loaded.origins = wanted->origins;
  setup_.logging.set_levels(running.log);
  accounts_->reload(running);
  sandboxes_->reload_pools();
  steward_->set_label(running.costs.label);
  log::logger<"daemon">().info("configuration read again", {{"changed", reply.changed.size() + reply.for_new.size()},
                                                            {"needs_restart", reply.needs_restart.size()}});
  return reply;
}

async::Task<> Daemon::stop_on(int signal) {
  async::SignalWatcher watcher(loop_, signal);
  co_await watcher.next();
  stop(drain_, fmt::format("signal {}", sigabbrev_np(signal)));
  co_await watcher.next();  // a person who presses twice does not want to wait
  drain_ = Duration{0};
  server_->hurry();
}

async::Task<> Daemon::reload_on_hangup() {
  async::SignalWatcher watcher(loop_, SIGHUP);
  for (;;) {
    co_await watcher.next();
    setup_.manager.notify("RELOADING=1");
    const Result<api::DaemonReloadReply> reply = reload();
    if (!reply) log::logger<"daemon">().error("configuration was not taken over", {{"error", reply.error()}});
    setup_.manager.notify("READY=1");
  }
}

async::Task<> Daemon::feed_watchdog() {
  const Duration half = *setup_.manager.watchdog / 2;  // sd_watchdog_enabled(3) recommends half of the time
  for (;;) {
    setup_.manager.notify("WATCHDOG=1");
    co_await async::sleep_for(loop_, half);
  }
}

async::Task<Result<void>> Daemon::record_start() {
  api::DaemonStarted started{.version = std::string(kVersion), .pid = static_cast<std::uint32_t>(getpid())};
  const Result<store::LastRun> last = co_await store_->write(
      "daemon.started", store::Durability::process, [started](store::Changes& changes) -> Result<store::LastRun> {
        Result<store::LastRun> before = store::begin_run(changes.db());
        if (!before) return before;
        api::DaemonStarted told = started;
        told.clean = *before != store::LastRun::killed;
        const auto seq =
            changes.append({.type = std::string(api::kDaemonStarted.name), .data = wire::encode(api::encode(told))});
        if (!seq) return fail(seq.error());
        return before;
      });
  if (!last) co_return fail(last.error(), "record the start");
  if (*last == store::LastRun::killed) log::logger<"daemon">().warn("the daemon before did not stop in order");
  co_return {};
}

async::Task<> Daemon::record_stopping() {
  const Result<void> written = co_await store_->write(
      "daemon.stopping", store::Durability::process,
      [data = wire::encode(api::encode(api::DaemonStopping{.reason = stop_reason_}))](
          store::Changes& changes) -> Result<void> {
        const auto seq = changes.append({.type = std::string(api::kDaemonStopping.name), .data = data});
        if (!seq) return fail(seq.error());
        return {};
      });
  if (!written) log::logger<"daemon">().warn("an event could not be recorded", {{"error", written.error()}});
}

async::Task<> Daemon::record_end() {
  const Result<void> written = co_await store_->write(
      "daemon.end", store::Durability::process, [](store::Changes& changes) { return store::end_run(changes.db()); });
  if (!written)
    log::logger<"daemon">().warn("the next start will say that this one was killed", {{"error", written.error()}});
}

}  // namespace swarm
