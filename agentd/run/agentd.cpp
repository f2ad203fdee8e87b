#include "agentd/run/agentd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <filesystem>

#include "agentd/init/protocol.hpp"
#include "agentd/rpc/exec_start.hpp"
#include "agentd/run/system.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::agentd {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr std::size_t kSessionBytes = 8U << 20U;
/// From SIGTERM on; init waits 5 s.
constexpr std::chrono::milliseconds kEndGrace{2000};
constexpr std::size_t kMostInnerConnections = 128;
constexpr std::size_t kMostInnerFrame = 1U << 20U;
/// Out of descriptors or memory: the next one can wait so long.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr wire::Version kVersion{.major = 0, .minor = 1};

/// What a daemon of another version may ask for before it relies on it. Named when added, never reused.
const std::array<std::string, 8> kFeatures = {"exec", "files", "forward", "metrics", "panes", "team", "git", "events"};

/// Init keeps what we print in a capped file.
void say(std::string_view sentence) { fmt::print(stderr, "agentd: {}\n", sentence); }

std::string random_name(Random& random) { return fmt::format("{:016x}{:016x}", random.next(), random.next()); }

/// The umask and what is there already must not open it to others.
Result<void> make_directory(const std::string& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (chmod(path.c_str(), mode) != 0) return fail_errno("make directory", path);
  return {};
}

}  // namespace

Agentd::Agentd(async::Loop& loop, Random& random, RunOptions options, Inherited inherited,
               std::vector<std::string> environment)
    : loop_(loop),
      random_(random),
      options_(std::move(options)),
      inherited_(std::move(inherited)),
      users_(options_.etc),
      execs_(loop, {.shim = options_.shim, .directory = options_.state + "/exec", .spool_bytes = options_.spool_bytes},
             random),
      exec_service_{.loop = loop,
                    .execs = execs_,
                    .users = users_,
                    .defaults = {.environment = std::move(environment), .workspace = options_.workspace}},
      panes_(loop, {.directory = options_.state + "/panes", .shim = options_.shim}, execs_,
             [this](const api::ExecStartRequest& request) { return make_spec(exec_service_, request); }),
      happenings_(loop, random_name(random)),
      service_{.clock = loop.clock(), .execs = execs_, .users = users_, .sandbox = options_.sandbox},
      files_{.files = files::Files(loop, {.workspace = options_.workspace, .user = credentials_from(users_)})},
      forward_(loop),
      metrics_{.loop = loop, .setup = {}},
      team_(loop, random,
            {.store = options_.store,
             .workspace = options_.workspace,
             .places = {.etc = options_.etc, .homes = options_.homes},
             .identity = identity_mode()}),
      team_service_(loop, random, team_),
      delivery_(loop, team_, panes_),
      keeper_(loop, team_, panes_),
      views_(loop, team_),
      git_(loop, git_setup(options_.workspace, users_, exec_service_, team_service_, happenings_)),
      upward_(loop),
      router_({.name = "agentd", .version = SWARM_VERSION, .features = {kFeatures.begin(), kFeatures.end()}},
              loop.clock()),
      budget_(loop, kSessionBytes),
      ending_(loop),
      tasks_(loop) {
  const Result<ExecUser> user = users_.fallback();
  service_.info = {.version = SWARM_VERSION,
                   .instance = random_name(random),
                   .pid = static_cast<std::uint32_t>(getpid()),
                   .started_us = loop.clock().wall().us,
                   .features = {kFeatures.begin(), kFeatures.end()},
                   .identity = identity_mode(),
                   .user = user ? user->name : std::string(),
                   .workspace = api::Path(options_.workspace),
                   .limits = own_limits(),
                   .system = system_info()};
  service_.extend_lease = [this](std::chrono::milliseconds ttl) { tell_init(fmt::format("lease {}", ttl.count())); };
  service_.end_sandbox = [this](std::chrono::milliseconds grace, const std::string& reason) { end(grace, reason); };
  service_.tunnels = [this] { return tunnels_; };
  team_service_.heard = [this](const std::string& agent, bool woken_in_vain) { delivery_.heard(agent, woken_in_vain); };
  team_.ask_with(
      [this](std::string method, Value params) { return upward_.call(std::move(method), std::move(params)); });
  service_.resumed = [this](std::chrono::milliseconds paused) { team_.resumed(paused); };
  team_service_.desk.add_program = [this](api::AgentInfo& info, bool whole) {
    keeper_.add_to(info, whole ? Keeper::Steps::with : Keeper::Steps::without);
  };
  bind_agentd(router_, service_);
  note_programs(execs_, happenings_);
  bind_happenings(router_, happenings_);
  bind_exec(router_, exec_service_);
  bind_files(router_, files_);
  bind_forward(router_, forward_);
  bind_metrics(router_, metrics_);
  bind_inner(router_, service_, team_);
  bind_team(router_, team_service_);
  bind_coordination(router_, team_service_);
  bind_hook(router_, team_service_);
  bind_panes(router_, panes_);
  bind_git(router_, git_, team_);
  bind_upward(router_, team_service_, upward_);
}

Result<wire::TunnelSecret> Agentd::read_secret() const {
  std::array<std::byte, wire::TunnelSecret::kSize> bytes{};
  const ssize_t size = pread(inherited_.secret.get(), bytes.data(), bytes.size(), 0);
  Result<wire::TunnelSecret> secret =
      size < 0 ? Result<wire::TunnelSecret>(fail_errno("read", "the tunnel's secret"))
               : wire::TunnelSecret::from_bytes(std::span(bytes).first(static_cast<std::size_t>(size)));
  explicit_bzero(bytes.data(), bytes.size());
  return secret;
}

Result<void> Agentd::open() {
  if (Result<void> made = make_directory(options_.state, 0755); !made) return made;
  Result<wire::TunnelSecret> secret = read_secret();
  if (!secret) return fail(secret.error(), "tunnel secret");
  inherited_.secret.reset();
  if (options_.listen != 0) {
    auto listening = WebSocketListener::listen(loop_, static_cast<std::uint16_t>(options_.listen), random_);
    if (!listening) return fail(listening.error());
    websockets_ = std::move(*listening);
  } else {
    listener_ = std::make_unique<transport::UnixListener>(loop_, std::move(inherited_.listener));
  }
  acceptor_ = std::make_unique<wire::TunnelAcceptor>(
      loop_, [this] { return accept_tunnel(); },
      wire::AcceptorOptions{
          .identity = {.secret = std::move(*secret), .sandbox_id = options_.sandbox, .version = kVersion},
          // One daemon owns this sandbox. A new run of it means that the old one is dead, and with it whoever waits for
          // its calls: programs in the foreground end now and not when the old session's time is up.
          .max_sessions = 1,
          .refused = [](const Error& why) { say("a tunnel was refused: " + why.to_string()); }},
      random_, budget_);
  // Where agentd was before: nobody else listens there, since the directory is ours alone.
  const std::string path = options_.state + "/agentd.sock";
  unlink(path.c_str());
  Result<UniqueFd> inner = transport::bind_unix(path, 0666);
  if (!inner) return fail(inner.error(), "inner socket");
  inner_ = std::make_unique<transport::UnixListener>(loop_, std::move(*inner));
  return {};
}

async::Task<Result<int>> Agentd::run() {
  if (const Result<void> opened = open(); !opened) co_return fail(opened.error());
  // Before the first call can come: a client asks for programs that it started with the agentd before us.
  const Result<void> recovered = co_await execs_.recover();
  if (!recovered) co_return fail(recovered.error(), "background programs");
  // Likewise what was promised to agents. Without its store there is no team; the sandbox is served all the same.
  if (const Result<void> team = team_.recover(); !team) say("the team: " + team.error().to_string());
  const Result<void> found = co_await panes_.recover();
  if (!found) say("panes: " + found.error().to_string());
  delivery_.begin();
  keeper_.start();
  tasks_.spawn(serve_tunnels());
  tasks_.spawn(serve_inside());
  tasks_.spawn(end_on(SIGTERM));
  tasks_.spawn(end_on(SIGINT));
  say(fmt::format("ready version={} sandbox={} programs={} panes={}", SWARM_VERSION, options_.sandbox, execs_.running(),
                  panes_.running()));
  co_await ending_.wait();
  // A moment for the answer to whoever asked for the end; then programs get theirs.
  const Result<void> ended =
      co_await async::with_timeout(loop_, end_programs(grace_), grace_ + 1s, "the end of programs");
  if (!ended) say(ended.error().to_string());
  tell_init("end");
  tasks_.cancel_all();
  co_return kExitEndSandbox;
}

void Agentd::tell_init(std::string_view packet) const {
  if (inherited_.control) ::send(inherited_.control.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Agentd::end(std::chrono::milliseconds grace, std::string_view reason) {
  if (ending_.is_set()) return;
  say(fmt::format("ending the sandbox reason='{}'", reason));
  grace_ = grace;
  ending_.set();
}

async::Task<> Agentd::end_on(int signal) {
  async::SignalWatcher watcher(loop_, signal);
  co_await watcher.next();
  end(kEndGrace, "signal " + std::to_string(signal));
}

async::Task<Result<void>> Agentd::end_programs(std::chrono::milliseconds grace) {
  const auto all = execs_.list();
  for (const auto& exec : all) exec->kill(grace);
  co_await panes_.end_all(grace);
  for (const auto& exec : all) co_await exec->wait_gone();
  co_return {};
}

async::Task<Result<std::unique_ptr<transport::Stream>>> Agentd::accept_tunnel() {
  if (websockets_) co_return co_await websockets_->accept();
  Result<std::unique_ptr<transport::FdStream>> stream = co_await listener_->accept();
  if (!stream) co_return fail(stream.error());
  co_return std::unique_ptr<transport::Stream>(std::move(*stream));
}

async::Task<> Agentd::serve_tunnels() {
  for (;;) {
    wire::Tunnel tunnel = co_await acceptor_->next();
    tasks_.spawn(serve_tunnel(std::move(tunnel)));
  }
}

async::Task<> Agentd::serve_tunnel(wire::Tunnel tunnel) {
  struct Count {
    std::uint32_t& count;
    explicit Count(std::uint32_t& c) : count(c) { ++count; }
    ~Count() { --count; }
  } const counted(tunnels_);
  wire::PeerHandler handler(router_,
                            {.kind = wire::Peer::Kind::daemon, .credentials = {}, .sandbox = options_.sandbox});
  // Shared with calls to the daemon that are under way when the tunnel goes.
  const auto connection = std::make_shared<wire::Connection>(loop_, std::move(tunnel.session), wire::Side::acceptor,
                                                             wire::Limits{}, &handler);
  upward_.stands(connection);
  const Error why = co_await connection->run();
  say("a tunnel ended: " + why.to_string());
}

async::Task<> Agentd::serve_inside() {
  for (;;) {
    Result<std::unique_ptr<transport::FdStream>> stream = co_await inner_->accept();
    if (!stream) {
      say("inner socket: " + stream.error().to_string());
      co_await async::sleep_for(loop_, kAcceptPause);
      continue;
    }
    if (inner_connections_ < kMostInnerConnections) tasks_.spawn(serve_program(std::move(*stream)));
  }
}

async::Task<> Agentd::serve_program(std::unique_ptr<transport::FdStream> stream) {
  struct Count {
    std::size_t& count;
    explicit Count(std::size_t& c) : count(c) { ++count; }
    ~Count() { --count; }
  } const counted(inner_connections_);
  wire::PeerHandler handler(
      router_, {.kind = wire::Peer::Kind::sandbox, .credentials = stream->peer(), .sandbox = options_.sandbox});
  const wire::Limits limits{.max_frame_bytes = kMostInnerFrame,
                            .max_string_bytes = kMostInnerFrame,
                            .max_requests = 16,
                            .max_request_bytes = 4 * kMostInnerFrame};
  wire::Connection connection(loop_, std::move(stream), wire::Side::acceptor, limits, &handler);
  const Error why = co_await connection.run();
  static_cast<void>(why);  // programs come and go
}

}  // namespace swarm::agentd
