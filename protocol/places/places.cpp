#include "protocol/places/places.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "protocol/core/unique_fd.hpp"

namespace swarm {
namespace fs = std::filesystem;
namespace {

/// An absolute directory from a variable, else the fallback.
fs::path directory(const Environment& environment, std::string_view variable, const fs::path& fallback) {
  const auto value = environment(variable);
  return value && value->starts_with('/') ? fs::path(*value) : fallback;
}

Result<fs::path> home_of(const Surroundings& surroundings) {
  const auto home = surroundings.environment("HOME");
  if (home && home->starts_with('/')) return fs::path(*home);
  if (surroundings.home.starts_with('/')) return fs::path(surroundings.home);
  return fail(Code::failed_precondition,
              fmt::format("user {} has no home directory; set HOME to an absolute path", surroundings.uid));
}

bool is_own_directory(const fs::path& path, uid_t uid) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == uid;
}

fs::path runtime_of(const Surroundings& surroundings) {
  if (surroundings.mode == Surroundings::Mode::system) return surroundings.run / "swarmd";
  const fs::path session = directory(surroundings.environment, "XDG_RUNTIME_DIR", {});
  if (!session.empty() && is_own_directory(session, surroundings.uid)) return session / "swarmd";
  if (surroundings.uid == 0) return surroundings.run / "swarmd";
  return surroundings.tmp / fmt::format("swarmd-{}", surroundings.uid);
}

Result<void> refuse(const fs::path& path, std::string_view why) {
  return fail(Code::permission_denied, fmt::format("'{}' {}", path.string(), why));
}

/// In a directory that everybody may write, anybody could replace what lies below.
Result<void> check_parents(const fs::path& path) {
  for (fs::path parent = path.parent_path(); parent != parent.parent_path(); parent = parent.parent_path()) {
    struct stat info = {};
    if (::stat(parent.c_str(), &info) != 0) {
      if (errno == ENOENT) continue;
      return fail_errno("stat", parent.native());
    }
    if (!S_ISDIR(info.st_mode)) return refuse(parent, "is not a directory");
    if ((info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0) {
      return refuse(parent,
                    fmt::format("can be written by everybody, so '{}' is not safe below it; run 'chmod o-w' on it",
                                path.string()));
    }
  }
  return {};
}

Result<void> make_parents(const fs::path& path) {
  const fs::path parent = path.parent_path();
  if (parent.empty() || parent == path) return {};
  if (::access(parent.c_str(), F_OK) == 0) return {};
  if (auto above = make_parents(parent); !above) return above;
  if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir", parent.native());
  return {};
}

}  // namespace

Surroundings Surroundings::current(Mode mode) {
  Surroundings result;
  result.mode = mode;
  result.uid = ::geteuid();
  std::array<char, 16384> buffer{};
  struct passwd entry = {};
  struct passwd* found = nullptr;
  if (::getpwuid_r(result.uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    result.home = entry.pw_dir;
  }
  result.environment = [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
  return result;
}

Result<Places> Places::find(const Surroundings& surroundings) {
  Places places;
  places.mode = surroundings.mode;
  places.uid = surroundings.uid;
  if (surroundings.mode == Surroundings::Mode::system) {
    places.config_file = surroundings.etc / "swarmd/config.toml";
    places.state = surroundings.var / "lib/swarmd";
    places.data = places.state;
    places.log = surroundings.var / "log/swarmd";
  } else {
    const Result<fs::path> home = home_of(surroundings);
    if (!home) return fail(home.error());
    const Environment& environment = surroundings.environment;
    places.config_file = directory(environment, "XDG_CONFIG_HOME", *home / ".config") / "swarmd/config.toml";
    places.state = directory(environment, "XDG_STATE_HOME", *home / ".local/state") / "swarmd";
    places.data = directory(environment, "XDG_DATA_HOME", *home / ".local/share") / "swarmd";
    places.log = places.state / "log";
  }
  places.database = places.state / "db";
  places.sandboxes = places.state / "sandboxes";
  places.repos = places.state / "repos";
  places.tools = places.data / "tools";
  places.templates = places.data / "templates";
  places.artifacts = places.data / "artifacts";
  places.runtime = runtime_of(surroundings);
  const auto socket = surroundings.environment("SWARMD_SOCKET");
  places.socket = socket ? fs::path(*socket) : places.runtime / "swarmd.sock";
  if (auto fits = check_socket_path(places.socket); !fits) return fail(fits.error());
  return places;
}

Result<void> Places::create() const {
  const bool system = mode == Surroundings::Mode::system;
  // In system mode clients of other users pass the runtime directory; the socket's own mode decides who connects.
  const std::vector<std::pair<fs::path, mode_t>> directories = {
      {state, 0700}, {database, 0700}, {sandboxes, 0700}, {repos, 0700},     {log, system ? 0750 : 0700},
      {data, 0700},  {tools, 0700},    {templates, 0700}, {artifacts, 0700}, {runtime, system ? 0755 : 0700}};
  for (const auto& [path, wanted] : directories) {
    if (auto made = ensure_directory(path, wanted, uid); !made) return made;
  }
  return {};
}

Result<std::vector<fs::path>> client_sockets(const Surroundings& surroundings) {
  Surroundings user = surroundings;
  user.mode = Surroundings::Mode::user;
  const Result<Places> own = Places::find(user);
  if (!own) return fail(own.error());
  std::vector<fs::path> sockets = {own->socket};
  if (surroundings.environment("SWARMD_SOCKET")) return sockets;
  const fs::path system = surroundings.run / "swarmd/swarmd.sock";
  if (surroundings.mode == Surroundings::Mode::system) return std::vector{system};
  if (system != own->socket) sockets.push_back(system);
  return sockets;
}

Result<void> check_socket_path(const fs::path& path) {
  if (!path.is_absolute()) {
    return fail(
        Code::invalid_argument,
        fmt::format("the socket path '{}' is not absolute; set SWARMD_SOCKET to an absolute path", path.string()));
  }
  if (path.native().size() > kMaxSocketPath) {
    return fail(
        Code::invalid_argument,
        fmt::format("the socket path '{}' has {} bytes, and a Unix socket's may have {}; set SWARMD_SOCKET to a "
                    "shorter one",
                    path.string(), path.native().size(), kMaxSocketPath));
  }
  return {};
}

Result<void> ensure_directory(const fs::path& path, mode_t mode, uid_t uid) {
  if (auto safe = check_parents(path); !safe) return safe;
  if (auto made = make_parents(path); !made) return made;
  // Made closed and opened up afterwards, so that the umask has no say.
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir", path.native());
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    if (errno == ELOOP || errno == ENOTDIR)
      return refuse(path, "is not a directory itself; remove it or choose another place");
    return fail_errno("open", path.native());
  }
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat", path.native());
  if (info.st_uid != uid) {
    return refuse(
        path, fmt::format("belongs to user {}, not to {}, so it cannot be trusted; remove it or choose another place",
                          info.st_uid, uid));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refuse(
        path, fmt::format("can be written by others (mode {:04o}), so what is in it cannot be trusted; look at what "
                          "is in it, then run 'chmod go-w' on it",
                          info.st_mode & 07777U));
  }
  if ((info.st_mode & 0777U) != mode && ::fchmod(fd.get(), mode) != 0) return fail_errno("chmod", path.native());
  return {};
}

}  // namespace swarm
