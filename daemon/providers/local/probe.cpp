#include "daemon/providers/local/probe.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <sstream>

#include "daemon/providers/local/command.hpp"
#include "daemon/providers/local/files.hpp"

namespace swarm::local {
namespace {

struct Ran {
  int status = -1;
  std::string text;
};

/// Runs a program; its output and errors together, shortened.
Ran run(std::vector<std::string> words) {
  constexpr std::size_t kMost = 500;
  const CommandResult result = run_to_end(std::move(words), Environment::none);
  Ran ran{.status = result.status, .text = (result.out + result.err).substr(0, kMost)};
  while (!ran.text.empty() && ran.text.back() == '\n') ran.text.pop_back();
  return ran;
}

std::optional<std::uint64_t> setting(const char* path) {
  const auto text = read_file(path);
  return text ? parse_number(*text) : std::nullopt;
}

class Prober {
 public:
  explicit Prober(const Host& host) : host_(host), bwrap_(host.settings.programs.bwrap) {}

  std::vector<Finding> look() {
    if (check_bwrap()) check_namespaces();
    check_uids();
    check_cgroups();
    check_files();
    return std::move(findings_);
  }

 private:
  void add(std::string name, Level level, std::string sentence) {
    findings_.push_back({std::move(name), level, std::move(sentence)});
  }

  bool check_bwrap() {
    const Ran version = run({bwrap_, "--version"});
    const auto numbers = parse_version(version.text);
    if (version.status != 0 || !numbers) {
      add("bwrap", Level::missing,
          fmt::format("bubblewrap cannot be run as '{}' ({}); apt-get install bubblewrap", bwrap_, version.text));
      return false;
    }
    if (*numbers < std::pair{0, 8}) {
      add("bwrap", Level::missing, fmt::format("{} is too old: --disable-userns needs 0.8", version.text));
      return false;
    }
    add("bwrap", Level::good, version.text);
    return true;
  }

  void check_namespaces() {
    const Ran userns = run({bwrap_, "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "/bin/true"});
    if (userns.status != 0) {
      std::string why = userns_obstacle(geteuid());
      if (why.empty())
        why =
            "a container or a security module around this process forbids them; in Docker: --security-opt "
            "seccomp=unconfined";
      add("user-namespaces", Level::missing, fmt::format("user namespaces cannot be made ({}): {}", userns.text, why));
      return;
    }
    add("user-namespaces", Level::good, "user namespaces can be made");
    const Ran proc =
        run({bwrap_, "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "/bin/true"});
    if (proc.status == 0) {
      add("proc", Level::good, "a new /proc can be mounted");
      return;
    }
    const bool masked = is_proc_masked(read_file("/proc/self/mountinfo").value_or(""));
    add("proc", Level::missing,
        masked ? "parts of /proc are masked here, so the kernel gives sandboxes no /proc of their own; start the "
                 "container "
                 "with --security-opt systempaths=unconfined (Docker) or --security-opt unmask=ALL (Podman)"
               : fmt::format("sandboxes get no /proc of their own: {}", proc.text));
  }

  void check_uids() {
    if (!host_.identity) return add("uids", Level::missing, host_.identity.error().message);
    add("uids", host_.identity->isolated() ? Level::good : Level::weaker, host_.identity->why);
  }

  void check_cgroups() {
    const auto check = [&](const char* name, const Controller& controller, std::string_view without) {
      if (controller.mechanism == Mechanism::none)
        add(name, Level::weaker, fmt::format("{}: {}", without, controller.why));
      else
        add(name, Level::good, fmt::format("{} by {}", name, mechanism_name(controller.mechanism)));
    };
    check("memory", host_.cgroups.memory, "memory is limited for each process only");
    check("cpu", host_.cgroups.cpu, "CPU time is not limited");
    check("processes", host_.cgroups.processes, "processes are limited for each uid only");
    check("freezer", host_.cgroups.freezer, "pause is a sweep of stop signals");
  }

  void check_files() {
    const auto need = [&](const char* name, const std::string& path, int mode) {
      if (access(path.c_str(), mode) == 0) return;
      add(name, Level::missing, fmt::format("'{}' is missing: the installation of swarmd is not complete", path));
    };
    need("launcher", host_.settings.programs.launcher, X_OK);
    need("bundle", (host_.settings.bundle / "bin/agentd-init").string(), X_OK);
  }

  const Host& host_;
  std::string bwrap_;
  std::vector<Finding> findings_;
};

}  // namespace

std::optional<std::pair<int, int>> parse_version(std::string_view text) {
  const auto start = text.find_first_of("0123456789");
  if (start == std::string_view::npos) return std::nullopt;
  text.remove_prefix(start);
  std::pair<int, int> version;
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.first);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') return std::nullopt;
  if (std::from_chars(major.ptr + 1, end, version.second).ec != std::errc{}) return std::nullopt;
  return version;
}

bool is_proc_masked(std::string_view mountinfo) {
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string skip;
    std::string point;
    words >> skip >> skip >> skip >> skip >> point;
    // binfmt_misc is mounted below /proc on ordinary machines and hides nothing.
    if (point.starts_with("/proc/") && !point.starts_with("/proc/sys/fs/binfmt_misc")) return true;
  }
  return false;
}

std::string userns_obstacle(std::uint32_t uid) {
  if (setting("/proc/sys/user/max_user_namespaces") == 0)
    return "sysctl user.max_user_namespaces is 0; as root: sysctl -w user.max_user_namespaces=15000";
  if (uid != 0 && setting("/proc/sys/kernel/unprivileged_userns_clone") == 0)
    return "sysctl kernel.unprivileged_userns_clone is 0; as root: sysctl -w kernel.unprivileged_userns_clone=1";
  if (uid != 0 && setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
    return "AppArmor restricts them; install a profile for bwrap and swarm-launch, or as root: sysctl -w "
           "kernel.apparmor_restrict_unprivileged_userns=0";
  if (access("/proc/self/ns/user", F_OK) != 0) return "this kernel was built without them (CONFIG_USER_NS)";
  return {};
}

std::vector<Finding> probe(const Host& host) { return Prober(host).look(); }

}  // namespace swarm::local
