#include "daemon/providers/e2b/provider.hpp"

#include <fmt/format.h>

#include "agentd/tunnel/path.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/http/url.hpp"
#include "protocol/websocket/stream.hpp"

namespace swarm::e2b {

using async::Task;
using namespace std::chrono_literals;

namespace {

// How sandboxes of ours are found among all of the account.
constexpr const char* kMark = "swarmd";
constexpr const char* kId = "swarmd_id";
constexpr const char* kOwner = "swarmd_owner";

constexpr Duration kDial = 10s;
// An agentd that was started is given this before it is started again.
constexpr Duration kAgentStarts = 5s;
constexpr std::chrono::seconds kShortest = 60s;
// Tunnels dial again and again; a paused sandbox is asked after only so often meanwhile.
constexpr Duration kPausedFor = 15s;

providers::Created describe(const Remote& remote) {
  providers::Created created{.ref = remote.id,
                             .provider_id = remote.id,
                             .started = remote.started,
                             .identity = api::Identity::enforced,
                             .pause = api::PauseMechanism::provider};
  created.isolation.kind = api::IsolationKind::microvm;
  created.isolation.seccomp = false;
  const auto limit = [&created](api::Resource resource, std::optional<std::uint64_t> value, std::uint64_t unit) {
    if (!value) return;
    created.limits.push_back({.resource = resource,
                              .limit = *value * unit,
                              .mechanism = api::LimitMechanism::provider,
                              .note = "as E2B's template has it"});
  };
  limit(api::Resource::cpu, remote.cpus, 1000);
  limit(api::Resource::memory, remote.memory_mib, 1U << 20U);
  limit(api::Resource::disk, remote.disk_mib, 1U << 20U);
  return created;
}

std::string value_of(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

}  // namespace

struct E2bProvider::Known {
  explicit Known(async::Loop& loop) : gone(loop), turn(loop), switching(loop) {}

  /// It was there when that was asked.
  void was_there(MonoTime asked) { seen = std::max(seen.value_or(asked), asked); }

  std::optional<Remote> remote;    ///< with its tokens
  std::string id;                  ///< ours
  bool checked = false;            ///< its agentd is of our version, as far as this run knows
  std::optional<MonoTime> killed;  ///< by us: the list may still show it
  std::optional<MonoTime> paused;  ///< when that was last told
  std::optional<MonoTime> started_agent;
  std::optional<MonoTime> extended_until;
  std::optional<MonoTime> seen;  ///< it had not ended before then
  async::Event gone;
  async::Turn turn;       ///< one at a time brings its agentd up
  async::Turn switching;  ///< nobody asks for its tokens, which wakes it, while it is being paused
};

E2bProvider::E2bProvider(async::Loop& loop, Settings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      client_(loop, {.user_agent = settings_.user_agent, .ca_file = settings_.ca_file}),
      control_(loop, client_, random_,
               {.api_url = settings_.api_url,
                .key = settings_.key,
                .patience = settings_.pace.patience,
                .first_pause = settings_.pace.first_pause}),
      reading_bundle_(loop),
      tasks_(loop) {}

E2bProvider::~E2bProvider() { tasks_.cancel_all(); }

providers::Capabilities E2bProvider::capabilities() const {
  return {.pause = true,
          .extend = true,
          .listing = true,
          .network_policy = true,
          .bills_paused = false,
          .max_sandboxes = settings_.most,
          .creates_a_second = settings_.creates_a_second,
          .max_lifetime = settings_.max_lifetime,
          .lists_within = settings_.pace.lists_within,
          .lists_ended_within = settings_.pace.lists_ended,
          // That long where lists can be had.
          .notices_end_within = settings_.pace.watch + settings_.pace.watch_takes + settings_.pace.lists_ended,
          .notices_every_end = false};
}

std::vector<std::string> E2bProvider::templates() const {
  std::vector<std::string> names;
  for (const auto& [name, theirs] : settings_.templates) names.push_back(name);
  return names;
}

std::shared_ptr<E2bProvider::Known> E2bProvider::known(const std::string& ref) {
  auto& entry = known_[ref];
  if (entry == nullptr) entry = std::make_shared<Known>(loop_);
  return entry;
}

std::chrono::seconds E2bProvider::lifetime_of(Duration wanted) const {
  auto seconds = std::max(kShortest, std::chrono::ceil<std::chrono::seconds>(wanted));
  if (settings_.max_lifetime > Duration{0}) {
    seconds = std::min(seconds, std::chrono::floor<std::chrono::seconds>(settings_.max_lifetime));
  }
  return seconds;
}

NewSandbox E2bProvider::request_of(const providers::CreateSpec& spec) const {
  const auto found = settings_.templates.find(spec.template_name);
  NewSandbox wanted{.template_id = found == settings_.templates.end() ? settings_.template_id : found->second,
                    .timeout = lifetime_of(spec.lifetime),
                    .metadata = {{kMark, "1"}, {kId, spec.id}, {kOwner, spec.owner}},
                    .env = spec.env,
                    .network = {.public_traffic = false},
                    .auto_pause = settings_.auto_pause};
  for (const auto& [name, value] : spec.labels) wanted.metadata["label_" + name] = value;
  switch (spec.network.mode) {
    case api::NetworkMode::off:
      wanted.internet = false;
      break;
    case api::NetworkMode::allow:
      wanted.network.allow_out = spec.network.allow;
      wanted.network.deny_out = {"0.0.0.0/0"};
      break;
    case api::NetworkMode::on:
      wanted.internet = true;
      break;
  }
  return wanted;
}

Task<providers::CreateOutcome> E2bProvider::create(providers::CreateSpec spec) {
  MonoTime asked = loop_.clock().now();
  const CreateAnswer made = co_await control_.create(request_of(spec));
  if (made.kind == CreateAnswer::Kind::unknown) {
    co_return providers::CreateOutcome{.kind = providers::CreateOutcome::Kind::unknown, .error = made.error};
  }
  if (made.kind == CreateAnswer::Kind::refused) {
    co_return providers::CreateOutcome{
        .kind = providers::CreateOutcome::Kind::refused, .error = made.error, .retry_after = made.retry_after};
  }
  const auto sandbox = known(made.sandbox.id);
  sandbox->id = spec.id;
  sandbox->was_there(asked);
  sandbox->remote = made.sandbox;
  sandbox->extended_until = loop_.clock().now() + lifetime_of(spec.lifetime);
  // Its size and when billing began stand in the long form only. A create does not fail for want of them.
  asked = loop_.clock().now();
  if (const Result<Remote> detail = co_await control_.get(made.sandbox.id)) {
    sandbox->was_there(asked);
    sandbox->remote->started = detail->started;
    sandbox->remote->cpus = detail->cpus;
    sandbox->remote->memory_mib = detail->memory_mib;
    sandbox->remote->disk_mib = detail->disk_mib;
  }
  providers::Created created = describe(*sandbox->remote);
  created.isolation.network = spec.network;
  co_return providers::CreateOutcome{.kind = providers::CreateOutcome::Kind::created, .created = std::move(created)};
}

Task<Result<Remote>> E2bProvider::look(std::string ref) {
  const auto sandbox = known(ref);
  if (sandbox->remote && !sandbox->remote->envd_token.empty()) co_return *sandbox->remote;
  // Between being told that it runs and asking for its tokens it must not be paused: that call would wake it, and
  // nobody would know.
  const auto one_by_one = co_await sandbox->switching.take();
  MonoTime asked = loop_.clock().now();
  Result<Remote> told = co_await control_.get(ref);
  if (!told) co_return told;
  sandbox->was_there(asked);
  if (told->state == State::paused) {
    sandbox->paused = loop_.clock().now();
    co_return fail(Code::unavailable, fmt::format("E2B sandbox {} is paused", ref));
  }
  sandbox->id = value_of(told->metadata, kId);
  // Only this call tells the traffic token again. It never shortens, and a running sandbox it does not resume.
  asked = loop_.clock().now();
  const Result<Remote> connected = co_await control_.connect(ref, 1s);
  if (!connected) co_return fail(connected.error());
  sandbox->was_there(asked);
  told->traffic_token = connected->traffic_token;
  if (!connected->envd_token.empty()) told->envd_token = connected->envd_token;
  if (!connected->domain.empty()) told->domain = connected->domain;
  if (!connected->envd_version.empty()) told->envd_version = connected->envd_version;
  sandbox->remote = *told;
  co_return told;
}

Task<Result<std::shared_ptr<const Bundle>>> E2bProvider::bundle() {
  const auto turn = co_await reading_bundle_.take();
  if (bundle_ == nullptr) {
    Result<Bundle> read =
        co_await async::run_blocking(loop_, [directory = settings_.bundle] { return read_bundle(directory); });
    if (!read) co_return fail(read.error());
    bundle_ = std::make_shared<const Bundle>(std::move(*read));
  }
  co_return bundle_;
}

Task<Result<Envd>> E2bProvider::envd(std::string ref) {
  const Result<Remote> remote = co_await look(std::move(ref));
  if (!remote) co_return fail(remote.error());
  co_return Envd(client_, door_to(*remote, kEnvdPort, settings_.routing), remote->envd_version);
}

Task<Result<void>> E2bProvider::prepare(std::string ref, providers::CreateSpec spec) {
  const auto sandbox = known(ref);
  const auto turn = co_await sandbox->turn.take();
  sandbox->id = spec.id;
  const Result<std::shared_ptr<const Bundle>> files = co_await bundle();
  if (!files) co_return fail(files.error());
  Result<Envd> inside = co_await envd(ref);
  if (!inside) co_return fail(inside.error());
  Result<void> up =
      co_await bring_up(loop_, *inside, *files, {.sandbox = spec.id, .port = settings_.port}, std::move(spec.secret));
  if (!up) co_return up;
  sandbox->checked = true;
  sandbox->started_agent = loop_.clock().now();
  co_return up;
}

Task<Result<void>> E2bProvider::check_agent(std::shared_ptr<Known> sandbox, std::string ref) {
  const auto turn = co_await sandbox->turn.take();
  if (sandbox->checked) co_return {};
  const Result<std::shared_ptr<const Bundle>> files = co_await bundle();
  if (!files) co_return fail(files.error());
  Result<Envd> inside = co_await envd(ref);
  if (!inside) co_return fail(inside.error());
  Result<void> current =
      co_await keep_current(loop_, *inside, *files, {.sandbox = sandbox->id, .port = settings_.port});
  if (!current) co_return current;
  sandbox->checked = true;
  sandbox->started_agent = loop_.clock().now();
  co_return current;
}

Task<Result<std::unique_ptr<transport::Stream>>> E2bProvider::dial(std::string ref) {
  const auto sandbox = known(ref);
  if (sandbox->paused && loop_.clock().now() - *sandbox->paused < kPausedFor) {
    co_return fail(Code::unavailable, fmt::format("E2B sandbox {} is paused", ref));
  }
  sandbox->paused.reset();
  const Result<Remote> remote = co_await look(ref);
  if (!remote) {
    // A tunnel outlives more than one look: only what is gone for certain ends it.
    const Code code = remote.error().code == Code::permission_denied || remote.error().code == Code::unauthenticated
                          ? Code::unavailable
                          : remote.error().code;
    co_return fail(code, remote.error().message);
  }
  if (!sandbox->checked) {
    const Result<void> current = co_await check_agent(sandbox, ref);
    if (!current) {
      sandbox->remote.reset();
      co_return fail(current.error());
    }
  }
  const Door door = door_to(*remote, settings_.port, settings_.routing);
  const Result<http_client::Url> url = http_client::parse_url(door.url);
  if (!url) co_return fail(url.error());
  auto connection = co_await client_.connect(door.url, kDial);
  if (!connection) co_return fail(connection.error());
  websocket::Request request{.host = url->authority(), .path = agentd::kTunnelPath};
  for (const http_client::Header& header : door.headers) request.headers.emplace_back(header.name, header.value);
  auto opened = co_await websocket::ask(std::move(*connection), std::move(request), random_);
  if (opened) {
    co_return std::make_unique<websocket::WebSocketStream>(loop_, websocket::Side::client, std::move(*opened), random_);
  }
  const websocket::Refusal& refusal = opened.error();
  const ErrorBody said = decode_error(refusal.body);
  if (refusal.status == 502 && said.has_port) {
    // Nobody listens there. It may be on its way; else it ended and is started again.
    const MonoTime now = loop_.clock().now();
    if (!sandbox->started_agent || now - *sandbox->started_agent >= kAgentStarts) sandbox->checked = false;
  } else {
    sandbox->remote.reset();  // paused, gone, or other tokens: ask the control plane
  }
  Error error = refusal.error;
  error.code = Code::unavailable;
  error.retryable = true;
  if (!said.message.empty()) error.message += ": " + said.message;
  co_return fail(std::move(error));
}

Task<Result<std::vector<providers::Listed>>> E2bProvider::list() {
  const MonoTime asked = loop_.clock().now();
  Result<std::vector<Remote>> remotes = co_await control_.list({{kMark, "1"}});
  if (!remotes) co_return fail(remotes.error());
  std::set<std::string> seen;
  for (const Remote& remote : *remotes) {
    seen.insert(remote.id);
    known(remote.id)->was_there(asked - settings_.pace.lists_ended);
  }
  // A list that is read while it changes may leave one out. What was there before is asked for by its name.
  std::vector<std::string> missing;
  for (const auto& [ref, sandbox] : known_) {
    if (!seen.contains(ref) && !sandbox->killed && !sandbox->gone.is_set()) missing.push_back(ref);
  }
  for (const std::string& ref : missing) {
    const MonoTime asked_of_it = loop_.clock().now();
    Result<Remote> told = co_await control_.get(ref);
    if (told) {
      known(ref)->was_there(asked_of_it);
      remotes->push_back(std::move(*told));
    } else if (told.error().code == Code::not_found) {
      if (const auto found = known_.find(ref); found != known_.end()) found->second->gone.set();
    } else {
      co_return fail(told.error());
    }
  }
  std::vector<providers::Listed> listed;
  for (const Remote& remote : *remotes) {
    const auto sandbox = known(remote.id);
    // One that is still there then was not killed after all.
    if (sandbox->killed && loop_.clock().now() - *sandbox->killed < settings_.pace.lists_ended) continue;
    sandbox->id = value_of(remote.metadata, kId);
    if (remote.state == State::running) sandbox->paused.reset();
    listed.push_back({.ref = remote.id,
                      .provider_id = remote.id,
                      .id = sandbox->id,
                      .owner = value_of(remote.metadata, kOwner),
                      .paused = remote.state == State::paused,
                      .started = remote.started,
                      .ends = remote.ends,
                      .created = describe(remote)});
  }
  // What nobody will ask for again.
  std::erase_if(known_, [&seen](const auto& entry) {
    const auto& [ref, sandbox] = entry;
    return !seen.contains(ref) && (sandbox->killed || sandbox->gone.is_set()) && sandbox.use_count() == 1;
  });
  co_return listed;
}

Task<Result<bool>> E2bProvider::is_gone(std::string ref) {
  if (const auto found = known_.find(ref); found != known_.end() && found->second->gone.is_set()) co_return true;
  const MonoTime asked = loop_.clock().now();
  const Result<Remote> told = co_await control_.get(ref);
  if (told) {
    known(ref)->was_there(asked);
    co_return false;
  }
  if (told.error().code == Code::not_found) co_return true;
  co_return fail(told.error());
}

Task<Result<void>> E2bProvider::kill(std::string ref) {
  const MonoTime asked = loop_.clock().now();
  const Result<bool> killed = co_await control_.kill(ref);
  if (!killed) co_return fail(killed.error());
  const auto sandbox = known(ref);
  if (*killed) sandbox->was_there(asked);
  sandbox->killed = loop_.clock().now();
  sandbox->gone.set();
  co_return {};
}

Task<Result<void>> E2bProvider::pause(std::string ref) {
  const auto sandbox = known(ref);
  const auto one_by_one = co_await sandbox->switching.take();
  const MonoTime asked = loop_.clock().now();
  Result<void> paused = co_await control_.pause(ref);
  if (paused) {
    sandbox->was_there(asked);
    sandbox->extended_until.reset();
    sandbox->paused = loop_.clock().now();
  }
  co_return paused;
}

Task<Result<void>> E2bProvider::resume(std::string ref) {
  const std::chrono::seconds lifetime = lifetime_of(5min);
  const auto sandbox = known(ref);
  const auto one_by_one = co_await sandbox->switching.take();
  const MonoTime asked = loop_.clock().now();
  const Result<Remote> resumed = co_await control_.connect(ref, lifetime);
  if (!resumed) co_return fail(resumed.error());
  sandbox->was_there(asked);
  sandbox->remote.reset();  // a resume may bring another envd
  sandbox->paused.reset();
  sandbox->extended_until = loop_.clock().now() + lifetime;
  co_return {};
}

Task<Result<void>> E2bProvider::extend(std::string ref, Duration lifetime) {
  const auto sandbox = known(ref);
  const std::chrono::seconds wanted = lifetime_of(lifetime);
  // Its end moves by a step at a time, not with every sign of life: each is a request that the account is allowed so
  // many of.
  const MonoTime now = loop_.clock().now();
  if (sandbox->extended_until && *sandbox->extended_until >= now + Duration(wanted) * 3 / 4) co_return {};
  Result<void> extended = co_await control_.set_timeout(ref, wanted);
  if (extended) {
    sandbox->was_there(now);
    sandbox->extended_until = now + wanted;
  }
  co_return extended;
}

Task<Result<api::SandboxMetrics>> E2bProvider::metrics(std::string /*ref*/) {
  // Its API tells the share of CPU of the last seconds, and nobody can add that up to CPU time.
  co_return fail(Code::unimplemented, "E2B does not count CPU time; the sandbox's agentd does");
}

std::optional<MonoTime> E2bProvider::seen(const std::string& ref) const {
  const auto found = known_.find(ref);
  return found == known_.end() ? std::nullopt : found->second->seen;
}

Task<> E2bProvider::gone(std::string ref) {
  const auto sandbox = known(ref);
  struct Watched {
    std::size_t& count;
    explicit Watched(std::size_t& c) : count(c) { ++count; }
    ~Watched() { --count; }
  } const watched(watched_);
  if (!std::exchange(watching_, true)) tasks_.spawn(watch());
  co_await sandbox->gone.wait();
}

Task<> E2bProvider::watch() {
  while (watched_ > 0) {
    co_await async::sleep_for(loop_, settings_.pace.watch);
    if (watched_ == 0) break;
    const auto listed = co_await list();  // notes those that are gone
    static_cast<void>(listed);
  }
  watching_ = false;
}

Task<std::vector<std::string>> E2bProvider::problems() {
  std::vector<std::string> found;
  const Result<void> answers = co_await control_.check();
  if (!answers) found.push_back(answers.error().message);
  const Result<std::shared_ptr<const Bundle>> files = co_await bundle();
  if (!files) found.push_back(files.error().message);
  co_return found;
}

}  // namespace swarm::e2b
