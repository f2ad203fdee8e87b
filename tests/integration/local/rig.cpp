#include "tests/integration/local/rig.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

namespace swarm::test {

namespace fs = std::filesystem;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

sockaddr_un address_of(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

UniqueFd listen_at(const fs::path& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = address_of(path);
  REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(fd.get(), 16) == 0);
  return fd;
}

std::string exchange(const fs::path& path, const std::string& request) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = address_of(path);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return "cannot connect";
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "cannot send";
  shutdown(fd.get(), SHUT_WR);
  std::string text;
  std::array<char, 4096> buffer{};
  ssize_t n = 0;
  while ((n = read(fd.get(), buffer.data(), buffer.size())) > 0)
    text.append(buffer.data(), static_cast<std::size_t>(n));
  return text;
}

}  // namespace

TempDir::TempDir() {
  std::string name = "/tmp/swarm-test-XXXXXX";
  REQUIRE(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Rig::Rig(RigOptions options) {
  programs_ = {.launcher = SWARM_BIN_DIR "/swarm-launch", .bwrap = "/usr/bin/bwrap"};
  identity_ = must(local::plan_identity(local::read_host_identity()));
  const fs::path bundle = directory_.path() / "bundle";
  fs::create_directories(bundle / "bin");
  for (const char* name : {"agentd-init", "sandbox-agent"})
    fs::copy_file(fs::path(SWARM_BIN_DIR) / name, bundle / "bin" / name);
  files_ = directory_.path() / "files";
  fs::create_directory(files_);
  // Only this user can come here, since the directory above is 0700; the sandbox's root makes its own directories.
  fs::permissions(files_, fs::perms::all);

  local::RootfsRequest request;
  request.isolated = identity_.isolated();
  request.root = options.root.empty() ? must(local::host_root()) : options.root;
  request.etc_dir = must(local::make_etc({.cache_dir = etc_cache(), .isolated = identity_.isolated()}));
  request.bundle_dir = bundle;
  request.storage = options.storage;
  request.files_dir = files_;
  request.storage_bytes = options.storage_bytes;
  request.userns = options.userns;
  request.binds = options.binds;

  cgroups_ =
      must(local::make_cgroups(local::find_cgroups(options.cgroups), directory_.path().filename(), options.limits));
  const UniqueFd listener = listen_at(directory_.path() / "tunnel");
  local::LaunchRequest launch;
  launch.programs = programs_;
  launch.identity = identity_;
  launch.rootfs = must(local::plan_rootfs(request));
  launch.userns = options.userns;
  launch.seccomp = must(local::seccomp_program(options.userns));
  launch.cgroup_procs = cgroups_.procs_files();
  launch.rlimits = options.rlimits;
  launch.listen_fd = listener.get();
  launch.secret = options.secret;
  launch.report_file = directory_.path() / "report";
  launch.argv = {
      "/opt/swarm/bin/agentd-init", "--ready-fd", std::to_string(local::kReadyFd), "--grace-ms", "1000", "--log",
      "/run/swarm/agentd.log"};
  if (!options.lease_ms.empty()) launch.argv.insert(launch.argv.end(), {"--lease-ms", options.lease_ms});
  if (!options.processes.empty()) launch.argv.insert(launch.argv.end(), {"--processes", options.processes});
  launch.argv.insert(launch.argv.end(), {"--", "/opt/swarm/bin/sandbox-agent"});
  auto launched = local::launch(launch);
  if (!launched) {
    (void)local::remove_cgroups(cgroups_);
    FAIL(launched.error().to_string());
  }
  launched_ = std::move(*launched);
}

Rig::~Rig() { (void)end(); }

Output Rig::run(const std::string& command, unsigned uid) {
  std::string text = exchange(directory_.path() / "tunnel", std::to_string(uid) + "\n" + command);
  const auto at = text.rfind("\nexit:");
  if (at == std::string::npos) return {text, -1};
  return {text.substr(0, at), std::atoi(text.c_str() + at + 6)};
}

std::string Rig::tell(const std::string& words) { return exchange(directory_.path() / "tunnel", "0\n" + words); }

bool Rig::wait_gone() {
  pollfd wait{.fd = launched_.init_pidfd.get(), .events = POLLIN, .revents = 0};
  return poll(&wait, 1, 10'000) == 1;
}

std::string Rig::end() {
  if (ended_) return {};
  ended_ = true;
  (void)local::thaw(cgroups_);
  (void)local::signal_process(launched_.init_pidfd.get(), SIGKILL);
  if (!wait_gone()) return "PID 1 did not end";
  pollfd wait{.fd = launched_.monitor_pidfd.get(), .events = POLLIN, .revents = 0};
  if (poll(&wait, 1, 5000) != 1) return "bwrap did not end";
  local::reap(launched_.monitor_pidfd.get());
  if (auto removed = local::remove_cgroups(cgroups_); !removed) return removed.error().to_string();
  if (auto removed = local::remove_files(programs_, identity_, files_); !removed) return removed.error().to_string();
  return {};
}

std::string etc_cache() {
  static const TempDir directory;
  return directory.path() / "etc";
}

bool can_start_sandboxes() { return access("/usr/bin/bwrap", X_OK) == 0; }

}  // namespace swarm::test
