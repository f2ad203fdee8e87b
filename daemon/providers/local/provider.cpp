#include "daemon/providers/local/provider.hpp"

#include <fmt/format.h>
#include <signal.h>

#include "daemon/providers/local/live.hpp"
#include "daemon/providers/local/probe.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/transport/unix.hpp"

namespace swarm::local {

using async::Task;

/// Keeps a directory out of others' hands. Its last owner is the job or the coroutine that waits for it; both end on
/// the loop's thread.
class LocalProvider::Claim {
 public:
  Claim(std::shared_ptr<std::set<std::string>> busy, std::string id) : busy_(std::move(busy)), id_(std::move(id)) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() { busy_->erase(id_); }

 private:
  std::shared_ptr<std::set<std::string>> busy_;
  std::string id_;
};

namespace {

providers::Created describe(const Record& record) {
  providers::Created created;
  created.ref = record.id;
  created.provider_id = record.init.pid == 0 ? record.id : fmt::format("pid {}", record.init.pid);
  created.started = record.created;
  created.identity = record.identity.isolated() ? api::Identity::enforced : api::Identity::cooperative;
  created.isolation.kind = api::IsolationKind::namespaces;
  created.isolation.network = record.network;
  created.isolation.seccomp = true;
  created.isolation.nested_user_namespaces = record.nested_userns;
  created.isolation.uids = 1;
  if (record.identity.isolated()) {
    created.isolation.uids = 0;
    for (const auto& line : record.identity.uids) created.isolation.uids += line.count;
  }
  created.isolation.weaknesses = record.weaknesses;
  created.limits = record.limits;
  created.pause =
      record.cgroups.freeze_by == Mechanism::none ? api::PauseMechanism::sigstop : api::PauseMechanism::freezer;
  return created;
}

providers::CreateOutcome refused(Error error) {
  providers::CreateOutcome outcome;
  outcome.kind = providers::CreateOutcome::Kind::refused;
  outcome.error = std::move(error);
  return outcome;
}

SandboxRequest request_of(providers::CreateSpec spec, WallTime now) {
  SandboxRequest request;
  request.id = std::move(spec.id);
  request.owner = std::move(spec.owner);
  request.template_name = std::move(spec.template_name);
  request.env = std::move(spec.env);
  request.limits = spec.limits;
  request.network = std::move(spec.network);
  if (spec.lifetime > Duration::zero()) request.lease = std::chrono::ceil<std::chrono::milliseconds>(spec.lifetime);
  request.secret = std::move(spec.secret);
  request.now = now;
  return request;
}

}  // namespace

LocalProvider::LocalProvider(async::Loop& loop, Settings settings)
    : loop_(loop), settings_(std::move(settings)), looking_up_(loop), watchers_(loop) {}

LocalProvider::~LocalProvider() = default;

providers::Capabilities LocalProvider::capabilities() const {
  providers::Capabilities capabilities;
  capabilities.pause = true;
  capabilities.listing = true;
  capabilities.network_policy = true;
  capabilities.bills_paused = false;
  capabilities.max_sandboxes = static_cast<int>(settings_.most);
  return capabilities;
}

std::vector<std::string> LocalProvider::templates() const {
  std::vector<std::string> names;
  for (const auto& [name, unused] : settings_.templates) names.push_back(name);
  return names;
}

Task<std::shared_ptr<const Host>> LocalProvider::host() {
  const auto turn = co_await looking_up_.take();
  if (!host_) host_ = co_await async::run_blocking(loop_, [settings = settings_] { return look_up_host(settings); });
  co_return host_;
}

std::shared_ptr<LocalProvider::Claim> LocalProvider::claim(const std::string& id) {
  if (!busy_->insert(id).second) return nullptr;
  return std::make_shared<Claim>(busy_, id);
}

std::shared_ptr<LocalProvider::Sandbox> LocalProvider::adopt(Running running) {
  const std::string id = running.record.id;
  if (const auto known = sandboxes_.find(id); known != sandboxes_.end()) return known->second;
  auto sandbox = std::make_shared<Sandbox>(loop_, std::move(running));
  sandboxes_.emplace(id, sandbox);
  watchers_.spawn(watch(sandbox));
  watch_disk(*sandbox);
  return sandbox;
}

Task<> LocalProvider::watch(std::shared_ptr<Sandbox> sandbox) {
  co_await sandbox->watcher.readable();
  const auto turn = co_await sandbox->turn.take();
  const auto facts = co_await host();
  // The job holds the sandbox, and with it the pidfd that it uses, until it has ended.
  sandbox->outcome = co_await async::run_blocking(loop_, [facts, sandbox] {
    return remove_sandbox(*facts, sandbox->running.record, sandbox->running.monitor_pidfd.get());
  });
  sandboxes_.erase(sandbox->running.record.id);
  disk_.remove(sandbox->running.record.id);
  sandbox->removed.set();
  sandbox->over.notify_all();
}

Task<Result<std::shared_ptr<LocalProvider::Sandbox>>> LocalProvider::find(std::string ref) {
  if (const auto known = sandboxes_.find(ref); known != sandboxes_.end()) co_return known->second;
  const auto facts = co_await host();
  auto found = co_await async::run_blocking(loop_, [facts, ref] { return find_sandbox(*facts, ref); });
  if (!found) co_return fail(no_such_sandbox(ref));
  if (found->running) co_return adopt(std::move(*found->running));
  co_return fail(Code::not_found, fmt::format("local sandbox '{}' has ended", ref));
}

Task<providers::CreateOutcome> LocalProvider::create(providers::CreateSpec spec) {
  if (spec.network.mode == api::NetworkMode::on)
    co_return refused({.code = Code::unimplemented,
                       .message =
                           "local sandboxes have no network of their own; use network 'allow' with the names that "
                           "are needed, or another provider",
                       .retryable = false});
  if (sandboxes_.size() + busy_->size() >= settings_.most)
    co_return refused(
        {.code = Code::resource_exhausted,
         .message = fmt::format("{} local sandboxes exist; provider.local.sandboxes allows no more", settings_.most),
         .retryable = true});
  const auto held = claim(spec.id);
  if (!held)
    co_return refused({.code = Code::already_exists,
                       .message = fmt::format("'{}' is being made or removed", spec.id),
                       .retryable = false});
  const auto facts = co_await host();
  auto request = request_of(std::move(spec), loop_.clock().wall());
  auto made = co_await async::run_blocking(
      loop_, [facts, held, request = std::move(request)] { return create_sandbox(*facts, request); });
  if (!made) co_return refused(made.error());
  providers::CreateOutcome outcome;
  outcome.kind = providers::CreateOutcome::Kind::created;
  outcome.created = describe(made->record);
  adopt(std::move(*made));
  co_return outcome;
}

Task<Result<std::vector<providers::Listed>>> LocalProvider::list() {
  const auto facts = co_await host();
  const auto ids = co_await async::run_blocking(loop_, [facts] { return list_sandboxes(*facts); });
  std::vector<providers::Listed> listed;
  for (const auto& id : ids) {
    if (busy_->contains(id)) continue;
    std::shared_ptr<Sandbox> sandbox;
    if (const auto known = sandboxes_.find(id); known != sandboxes_.end()) sandbox = known->second;
    if (!sandbox) {
      auto found = co_await async::run_blocking(loop_, [facts, id] { return find_sandbox(*facts, id); });
      if (busy_->contains(id)) continue;
      if (!found) {
        // A daemon that was killed before it wrote the record had started nothing yet.
        if (const auto held = claim(id)) {
          co_await async::run_blocking(loop_, [facts, held, id] { remove_unrecorded(*facts, id); });
        }
        continue;
      }
      if (!found->running) {
        // It ended while nobody watched: what is left of it goes now, and a failure is tried again at the next list.
        (void)co_await sweep_up(facts, id, found->record);
        continue;
      }
      sandbox = adopt(std::move(*found->running));
    }
    const Record& record = sandbox->running.record;
    providers::Listed line;
    line.created = describe(record);
    line.ref = line.created.ref;
    line.provider_id = line.created.provider_id;
    line.id = record.id;
    line.owner = record.owner;
    line.paused = record.paused;
    line.at_limit = !record.over.empty();
    line.started = record.created;
    listed.push_back(std::move(line));
  }
  co_return listed;
}

Task<Result<void>> LocalProvider::sweep_up(std::shared_ptr<const Host> host, std::string id, Record record) {
  const auto held = claim(id);
  if (!held) co_return Result<void>{};
  co_return co_await async::run_blocking(
      loop_, [host, held, record = std::move(record)] { return remove_sandbox(*host, record, -1); });
}

Task<Result<void>> LocalProvider::kill(std::string ref) {
  std::shared_ptr<Sandbox> sandbox;
  if (const auto known = sandboxes_.find(ref); known != sandboxes_.end()) sandbox = known->second;
  const auto facts = co_await host();
  if (!sandbox) {
    auto found = co_await async::run_blocking(loop_, [facts, ref] { return find_sandbox(*facts, ref); });
    if (!found) co_return Result<void>{};  // gone before
    if (!found->running) co_return co_await sweep_up(facts, ref, found->record);
    sandbox = adopt(std::move(*found->running));
  }
  {
    const auto turn = co_await sandbox->turn.take();
    if (!sandbox->removed.is_set()) {
      // A v1 freezer keeps even killed processes standing, so they are let go after the signal is on its way.
      (void)signal_process(sandbox->running.init_pidfd.get(), SIGKILL);
      if (sandbox->running.record.paused) {
        (void)co_await async::run_blocking(
            loop_, [facts, record = sandbox->running.record]() mutable { return resume_sandbox(*facts, record); });
      }
    }
  }
  co_await sandbox->removed.wait();
  co_return sandbox->outcome;
}

Task<Result<void>> LocalProvider::set_paused(std::string ref, bool paused) {
  auto sandbox = co_await find(ref);
  if (!sandbox) co_return fail(sandbox.error());
  const auto turn = co_await (*sandbox)->turn.take();
  if ((*sandbox)->removed.is_set() || has_ended((*sandbox)->running.init_pidfd.get()))
    co_return fail(no_such_sandbox(ref));
  if ((*sandbox)->running.record.paused == paused) co_return Result<void>{};
  const auto facts = co_await host();
  auto done = co_await async::run_blocking(loop_, [facts, paused, record = (*sandbox)->running.record]() mutable {
    return paused ? pause_sandbox(*facts, record) : resume_sandbox(*facts, record);
  });
  if (!done) co_return done;
  Record& record = (*sandbox)->running.record;
  record.paused = paused;
  if (paused) {
    disk_.stand(record.id);
  } else {
    record.over.clear();
    disk_.go_on(record.id);
  }
  co_return done;
}

Task<Result<void>> LocalProvider::pause(std::string ref) { return set_paused(std::move(ref), true); }
Task<Result<void>> LocalProvider::resume(std::string ref) { return set_paused(std::move(ref), false); }

Task<Result<void>> LocalProvider::extend(std::string, Duration) {
  // agentd's dead-man's timer is extended through the tunnel; nothing out here expires.
  co_return Result<void>{};
}

Task<Result<std::unique_ptr<transport::Stream>>> LocalProvider::dial(std::string ref) {
  const auto facts = co_await host();
  if (!is_safe_id(ref)) co_return fail(no_such_sandbox(ref));
  const auto directory = open_directory(*facts, ref);
  if (!directory) co_return fail(no_such_sandbox(ref));
  auto stream = co_await transport::connect_unix(loop_, socket_path(*directory));
  if (!stream) co_return fail(stream.error());
  co_return std::unique_ptr<transport::Stream>(std::move(*stream));
}

Task<Result<api::SandboxMetrics>> LocalProvider::metrics(std::string ref) {
  auto sandbox = co_await find(ref);
  if (!sandbox) co_return fail(sandbox.error());
  const Record record = (*sandbox)->running.record;
  const auto usage = co_await async::run_blocking(loop_, [set = record.cgroups] { return read_usage(set); });
  if (!usage.cpu_ns && !usage.memory_bytes)
    co_return fail(Code::unimplemented, "no control group counts what this sandbox uses; its agentd does");
  api::SandboxMetrics metrics;
  metrics.time_us = loop_.clock().wall().us;
  metrics.cpu_us = usage.cpu_ns.value_or(0) / 1000;
  metrics.memory_bytes = usage.memory_bytes.value_or(0);
  metrics.memory_peak_bytes = usage.memory_peak_bytes;
  metrics.processes = usage.processes.value_or(0);
  metrics.oom_kills = usage.oom_kills;
  if (record.disk_limit_bytes != 0) metrics.disk_limit_bytes = record.disk_limit_bytes;
  for (const auto& limit : record.limits) {
    if (limit.resource == api::Resource::memory) metrics.memory_limit_bytes = limit.limit;
    if (limit.resource == api::Resource::processes) metrics.processes_limit = limit.limit;
    if (limit.resource == api::Resource::cpu && limit.limit)
      metrics.cpus_limit = static_cast<double>(*limit.limit) / 1000;
  }
  co_return metrics;
}

Task<> LocalProvider::gone(std::string ref) {
  const auto sandbox = co_await find(std::move(ref));
  if (sandbox) co_await (*sandbox)->removed.wait();
}

Task<std::vector<std::string>> LocalProvider::problems() {
  const auto facts = co_await host();
  co_return co_await async::run_blocking(loop_, [facts] {
    std::vector<std::string> sentences;
    for (const auto& finding : probe(*facts)) {
      if (finding.level != Level::good) sentences.push_back(finding.sentence);
    }
    return sentences;
  });
}

}  // namespace swarm::local
