#include "daemon/providers/local/sandbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/init/protocol.hpp"
#include "daemon/providers/local/etc.hpp"
#include "daemon/providers/local/files.hpp"
#include "daemon/providers/local/limits.hpp"
#include "daemon/providers/local/measuring.hpp"
#include "daemon/providers/local/seccomp.hpp"
#include "daemon/providers/local/sweep.hpp"
#include "protocol/transport/unix.hpp"

namespace swarm::local {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecord = "record.json";
constexpr const char* kReport = "report";
constexpr const char* kTunnel = "tunnel";
constexpr const char* kFiles = "files";

fs::path directory_of(const Host& host, const std::string& id) { return host.settings.sandboxes / id; }

Result<void> save(const Host& host, const Record& record) {
  return replace_file((directory_of(host, record.id) / kRecord).string(), encode(record));
}

Result<void> make_directories(const Host& host, const std::string& id) {
  std::error_code error;
  fs::create_directories(host.settings.sandboxes, error);
  if (error) return fail_errno("create directory", host.settings.sandboxes.string(), error.value());
  chmod(host.settings.sandboxes.c_str(), 0700);
  const fs::path directory = directory_of(host, id);
  if (mkdir(directory.c_str(), 0700) != 0) return fail_errno("mkdir", directory.string());
  const fs::path files = directory / kFiles;
  if (mkdir(files.c_str(), 0700) != 0) return fail_errno("mkdir", files.string());
  // The root of the sandbox makes its directories here, and its uid is not ours; nobody else passes the 0700 above.
  if (chmod(files.c_str(), 0777) != 0) return fail_errno("chmod", files.string());
  return {};
}

std::vector<std::string> init_words(const Host& host, const SandboxRequest& request, const LimitPlan& limits) {
  std::vector<std::string> words = {"/opt/swarm/bin/agentd-init", "--ready-fd", std::to_string(kReadyFd), "--log",
                                    agentd::kLogPath};
  if (request.lease) words.insert(words.end(), {"--lease-ms", std::to_string(request.lease->count())});
  if (limits.processes_per_uid) words.insert(words.end(), {"--processes", std::to_string(*limits.processes_per_uid)});
  words.emplace_back("--");
  if (host.settings.agentd.empty()) {
    // Its own dynamic linker and libraries: whatever the template's root file system has, agentd starts.
    words.insert(words.end(), {"/opt/swarm/lib/ld.so", "--argv0", "agentd", "--library-path", "/opt/swarm/lib",
                               "/opt/swarm/bin/agentd", "run", "--sandbox", request.id});
  } else {
    words.insert(words.end(), host.settings.agentd.begin(), host.settings.agentd.end());
  }
  return words;
}

Result<RootfsPlan> plan_files(const Host& host, const SandboxRequest& request, const Template& definition,
                              const LimitPlan& limits) {
  auto resolved = resolve_template(definition, host.settings.tools);
  if (!resolved) return fail(resolved.error(), fmt::format("template '{}'", request.template_name));
  auto etc = make_etc({.cache_dir = (host.settings.cache / "etc").string(),
                       .base = resolved->etc_base,
                       .whole_base = resolved->own_etc,
                       .isolated = host.identity->isolated()});
  if (!etc) return fail(etc.error());
  RootfsRequest rootfs;
  rootfs.isolated = host.identity->isolated();
  rootfs.root = std::move(resolved->root);
  rootfs.etc_dir = std::move(*etc);
  rootfs.bundle_dir = host.settings.bundle.string();
  rootfs.storage = definition.storage;
  rootfs.files_dir = (directory_of(host, request.id) / kFiles).string();
  rootfs.storage_bytes = limits.storage_bytes;
  rootfs.binds = std::move(resolved->binds);
  rootfs.path = std::move(resolved->path);
  rootfs.environment = std::move(resolved->env);
  for (const auto& [name, value] : request.env) rootfs.environment.emplace_back(name, value);
  rootfs.userns = definition.userns;
  return plan_rootfs(rootfs);
}

/// Everything between the directory's making and the running sandbox. What fails in here is cleaned up by the caller.
Result<Running> start(const Host& host, const SandboxRequest& request, const Template& definition, Record& record) {
  const LimitPlan limits = plan_limits(request.limits, host.cgroups, definition.storage);
  record.limits = limits.status;
  record.weaknesses.insert(record.weaknesses.end(), limits.weaknesses.begin(), limits.weaknesses.end());
  record.disk_limit_bytes = definition.storage == Storage::disk ? request.limits.disk_bytes.value_or(0) : 0;
  auto rootfs = plan_files(host, request, definition, limits);
  if (!rootfs) return fail(rootfs.error());
  auto cgroups = make_cgroups(host.cgroups, record.id, limits.cgroups);
  if (!cgroups) return fail(cgroups.error());
  record.cgroups = *cgroups;
  // Written before anything runs: a successor of a daemon that dies now knows what there may be.
  if (auto saved = save(host, record); !saved) return fail(saved.error());

  auto directory = open_directory(host, record.id);
  if (!directory) return fail(directory.error());
  auto listener = transport::bind_unix(socket_path(*directory), 0600);
  if (!listener) return fail(listener.error());

  LaunchRequest launch_request;
  launch_request.programs = host.settings.programs;
  launch_request.identity = *host.identity;
  launch_request.rootfs = std::move(*rootfs);
  launch_request.userns = definition.userns;
  const auto& filter = host.seccomp.at(definition.userns);
  if (!filter) return fail(filter.error());
  launch_request.seccomp = *filter;
  launch_request.cgroup_procs = record.cgroups.procs_files();
  launch_request.rlimits = limits.rlimits;
  launch_request.listen_fd = listener->get();
  launch_request.secret = request.secret;
  launch_request.report_file = (directory_of(host, record.id) / kReport).string();
  launch_request.argv = init_words(host, request, limits);
  const auto free_at_start = free_bytes(host.settings.sandboxes);
  auto launched = launch(launch_request);
  if (!launched) return fail(launched.error());

  record.init = launched->init;
  record.monitor = launched->monitor;
  Running running;
  running.free_at_start = free_at_start;
  running.init_pidfd = std::move(launched->init_pidfd);
  running.monitor_pidfd = std::move(launched->monitor_pidfd);
  if (auto saved = save(host, record); !saved) {
    (void)signal_process(running.init_pidfd.get(), SIGKILL);
    pollfd wait{.fd = running.init_pidfd.get(), .events = POLLIN, .revents = 0};
    constexpr int kPatienceMs = 5000;
    poll(&wait, 1, kPatienceMs);
    (void)remove_sandbox(host, record, running.monitor_pidfd.get());
    return fail(saved.error());
  }
  running.record = record;
  return running;
}

Result<Record> load(const Host& host, const std::string& id) {
  auto text = read_file((directory_of(host, id) / kRecord).string());
  if (!text) return fail(text.error());
  return decode_record(*text);
}

}  // namespace

bool is_safe_id(const std::string& id) {
  return !id.empty() && id[0] != '.' && id.find('/') == std::string::npos && id.find('\0') == std::string::npos;
}

std::shared_ptr<const Host> look_up_host(Settings settings) {
  auto host = std::make_shared<Host>();
  host->identity = plan_identity(read_host_identity(), settings.id_range.value_or(kDefaultRange));
  host->cgroups = find_cgroups(settings.cgroups);
  for (const auto userns : {Userns::forbidden, Userns::allowed}) host->seccomp.emplace(userns, seccomp_program(userns));
  host->settings = std::move(settings);
  return host;
}

Result<UniqueFd> open_directory(const Host& host, const std::string& id) {
  const std::string path = directory_of(host, id).string();
  UniqueFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail_errno("open", path);
  return fd;
}

std::string socket_path(const UniqueFd& directory) {
  return fmt::format("/proc/self/fd/{}/{}", directory.get(), kTunnel);
}

Result<Running> create_sandbox(const Host& host, const SandboxRequest& request) {
  if (!is_safe_id(request.id)) return fail(Code::invalid_argument, fmt::format("'{}' is no sandbox id", request.id));
  if (!host.identity) return fail(host.identity.error());
  const auto definition = host.settings.templates.find(request.template_name);
  if (definition == host.settings.templates.end())
    return fail(Code::not_found, fmt::format("no template '{}' for local sandboxes", request.template_name));
  if (auto made = make_directories(host, request.id); !made) return fail(made.error(), "create sandbox");

  Record record;
  record.id = request.id;
  record.owner = request.owner;
  record.template_name = request.template_name;
  record.created = request.now;
  record.identity = *host.identity;
  record.nested_userns = definition->second.userns == Userns::allowed;
  record.disk = definition->second.storage == Storage::disk;
  record.network = request.network;
  if (!host.identity->isolated()) record.weaknesses.push_back(host.identity->why);
  record.begun_ticks = ticks_now();
  record.init.boot_id = boot_id();
  auto running = start(host, request, definition->second, record);
  if (!running) {
    (void)remove_sandbox(host, record, -1);
    return fail(running.error());
  }
  return running;
}

Result<Found> find_sandbox(const Host& host, const std::string& id) {
  if (!is_safe_id(id)) return fail(Code::not_found, fmt::format("no sandbox '{}'", id));
  auto record = load(host, id);
  if (!record) return fail(record.error());
  Found found;
  found.record = *record;
  if (found.record.init.pid == 0 && found.record.init.boot_id == boot_id()) {
    const auto launched = find_launched((directory_of(host, id) / kReport).string(), found.record.begun_ticks);
    if (launched) found.record.init = *launched;
  }
  auto init = open_process(found.record.init);
  if (!init || has_ended(init->get())) return found;
  Running running;
  running.record = found.record;
  running.init_pidfd = std::move(*init);
  if (auto monitor = open_process(found.record.monitor)) running.monitor_pidfd = std::move(*monitor);
  found.running = std::move(running);
  return found;
}

std::vector<std::string> list_sandboxes(const Host& host) {
  std::vector<std::string> ids;
  std::error_code error;
  for (fs::directory_iterator it(host.settings.sandboxes, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (is_safe_id(name)) ids.push_back(std::move(name));
  }
  std::ranges::sort(ids);
  return ids;
}

Result<void> remove_sandbox(const Host& host, const Record& record, int monitor_pidfd) {
  if (monitor_pidfd >= 0) {
    pollfd wait{.fd = monitor_pidfd, .events = POLLIN, .revents = 0};
    constexpr int kPatienceMs = 2000;
    if (poll(&wait, 1, kPatienceMs) == 0) (void)signal_process(monitor_pidfd, SIGKILL);
    reap(monitor_pidfd);
  }
  Result<void> outcome = remove_cgroups(record.cgroups);
  const fs::path directory = directory_of(host, record.id);
  std::error_code error;
  if (fs::exists(directory / kFiles, error)) {
    auto removed = remove_files(host.settings.programs, record.identity, (directory / kFiles).string());
    // The record stays with what could not be removed: the next look at the directory tries again.
    if (!removed) return removed;
  }
  for (const char* name : {kTunnel, kReport, kRecord}) fs::remove(directory / name, error);
  if (rmdir(directory.c_str()) != 0 && errno != ENOENT) return fail_errno("rmdir", directory.string());
  return outcome;
}

Result<void> pause_sandbox(const Host& host, Record& record) {
  auto done = record.cgroups.freeze_by == Mechanism::none ? stop_processes(record.init.pid) : freeze(record.cgroups);
  if (!done) return done;
  record.paused = true;
  return save(host, record);
}

Result<void> halt_sandbox(const Host& host, Record& record) {
  auto done = record.cgroups.freeze_by == Mechanism::none ? stop_processes(record.init.pid) : freeze(record.cgroups);
  if (!done) return done;
  record.paused = true;
  (void)save(host, record);
  return {};
}

Result<void> save_sandbox(const Host& host, const Record& record) { return save(host, record); }

std::filesystem::path files_of(const Host& host, const std::string& id) { return directory_of(host, id) / kFiles; }

Result<void> resume_sandbox(const Host& host, Record& record) {
  auto done = record.cgroups.freeze_by == Mechanism::none ? continue_processes(record.init.pid) : thaw(record.cgroups);
  if (!done) return done;
  record.paused = false;
  record.over.clear();
  return save(host, record);
}

void remove_unrecorded(const Host& host, const std::string& id) {
  if (!is_safe_id(id)) return;
  const std::filesystem::path directory = host.settings.sandboxes / id;
  std::error_code error;
  if (std::filesystem::exists(directory / "record.json", error) || error) return;
  std::filesystem::remove_all(directory, error);
}

}  // namespace swarm::local
