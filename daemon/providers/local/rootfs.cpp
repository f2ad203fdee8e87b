#include "daemon/providers/local/rootfs.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "daemon/providers/local/identity.hpp"

namespace swarm::local {
namespace {

namespace fs = std::filesystem;

/// Capabilities of agentd over its own namespace: to become an agent and to care for its files. Nothing that mounts.
constexpr std::array kCapabilities = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
                                      "CAP_KILL",  "CAP_SETGID",       "CAP_SETUID"};

/// Writable directories of a sandbox, all in its own storage.
struct OwnDir {
  const char* target;
  MakeDir dir;
};
const std::array kOwnDirs = {
    OwnDir{"/home", {"home", 0, 0, 0755}}, OwnDir{"/home/user", {"home/user", kUserId, kUserId, 0700}},
    OwnDir{"/root", {"root", 0, 0, 0700}}, OwnDir{"/workspace", {"workspace", kUserId, kAgentsGid, 02775}},
    OwnDir{"/tmp", {"tmp", 0, 0, 01777}},  OwnDir{"/var/tmp", {"vartmp", 0, 0, 01777}},
};

/// Collects arguments and turns host paths into what bwrap can reach.
class Builder {
 public:
  explicit Builder(const RootfsRequest& request) : request_(request) {}

  RootfsPlan build() {
    namespaces();
    storage_stage();
    for (const auto& entry : request_.root) root_entry(entry);
    if (!request_.etc_dir.empty()) add({"--ro-bind", stage(request_.etc_dir), "/etc"});
    proc_and_dev();
    sized_tmpfs("/run", "0755", request_.run_bytes);
    own_dirs();
    parents("/opt/swarm");
    if (!request_.bundle_dir.empty()) add({"--ro-bind", stage(request_.bundle_dir), "/opt/swarm"});
    for (const auto& bind : request_.binds) {
      parents(bind.target);
      add({bind.access == Bind::Access::read_only ? "--ro-bind" : "--bind", stage(bind.source), bind.target});
    }
    add({"--remount-ro", "/"});
    environment();
    return std::move(plan_);
  }

 private:
  void add(std::initializer_list<std::string_view> words) {
    plan_.bwrap.insert(plan_.bwrap.end(), words.begin(), words.end());
  }

  /// Makes the directories above a target. bwrap would make them itself, but for its own user alone.
  void parents(const std::string& target) {
    for (auto slash = target.find('/', 1); slash != std::string::npos; slash = target.find('/', slash + 1)) {
      std::string directory = target.substr(0, slash);
      if (std::ranges::find(made_, directory) != made_.end()) continue;
      add({"--perms", "0755", "--dir", directory});
      made_.push_back(std::move(directory));
    }
  }

  /// In an id range bwrap is an unprivileged uid that may not enter the daemon's directories: the launcher binds them
  /// first.
  std::string stage(const std::string& path) {
    if (!request_.isolated) return path;
    plan_.stages.push_back(path);
    return stage_path(plan_.stages.size() - 1);
  }

  void namespaces() {
    // bwrap's --die-with-parent is left out on purpose: sandboxes outlive the daemon.
    add({"--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try", "--as-pid-1",
         "--new-session", "--hostname", request_.hostname, "--cap-drop", "ALL"});
    if (request_.isolated) {
      for (const char* capability : kCapabilities) add({"--cap-add", capability});
      if (request_.userns == Userns::forbidden) add({"--assert-userns-disabled"});
      return;
    }
    add({"--unshare-user", "--uid", std::to_string(kUserId), "--gid", std::to_string(kUserId)});
    if (request_.userns == Userns::forbidden) add({"--disable-userns"});
  }

  void storage_stage() {
    if (request_.storage == Storage::memory && request_.isolated) {
      plan_.stages.emplace_back();
      plan_.memory_bytes = request_.storage_bytes;
      own_ = stage_path(0);
    } else if (request_.storage == Storage::disk) {
      own_ = stage(request_.files_dir);
      // Without staging the launcher still has to know where to make directories.
      if (!request_.isolated) plan_.stages.push_back(request_.files_dir);
    }
    if (own_.empty()) return;
    for (const auto& own : kOwnDirs) plan_.make_dirs.push_back(own.dir);
  }

  void root_entry(const RootEntry& entry) {
    parents(entry.target);
    if (entry.kind == RootEntry::Kind::symlink) {
      add({"--symlink", entry.source, entry.target});
      return;
    }
    // The host's own /usr can be reached by anybody; a template's root may lie below a private directory.
    const bool reachable = entry.source == entry.target;
    add({"--ro-bind", reachable ? entry.source : stage(entry.source), entry.target});
  }

  void proc_and_dev() {
    add({"--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"});
    sized_tmpfs("/dev/shm", "1777", request_.shm_bytes);
    add({"--remount-ro", "/dev"});
  }

  void sized_tmpfs(std::string_view target, std::string_view mode, std::uint64_t bytes) {
    add({"--perms", mode, "--size", std::to_string(bytes), "--tmpfs", target});
  }

  void own_dirs() {
    parents("/var/tmp");
    if (!own_.empty()) {
      for (const auto& own : kOwnDirs) {
        if (own.dir.name.find('/') == std::string::npos) add({"--bind", own_ + "/" + own.dir.name, own.target});
      }
      return;
    }
    // One uid and memory: nobody can prepare one tmpfs for all, so each directory has its share of the limit.
    const std::uint64_t eighth = request_.storage_bytes / 8;
    for (const auto* target : {"/home", "/root", "/tmp", "/var/tmp"}) sized_tmpfs(target, "0755", eighth);
    sized_tmpfs("/workspace", "0755", eighth * 4);
    add({"--dir", "/home/user"});
  }

  void environment() {
    add({"--clearenv"});
    std::string path = "/opt/swarm/bin:";
    for (const auto& directory : request_.path) path += directory + ":";
    path += "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const std::string home = request_.isolated ? "/root" : "/home/user";
    for (const auto& [name, value] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
             {"PATH", path}, {"HOME", home}, {"LANG", "C.UTF-8"}, {"SWARM_SANDBOX", request_.hostname}})
      add({"--setenv", name, value});
    for (const auto& [name, value] : request_.environment) add({"--setenv", name, value});
    add({"--chdir", "/"});
  }

  const RootfsRequest& request_;
  RootfsPlan plan_;
  std::vector<std::string> made_;
  std::string own_;  ///< where bwrap finds the sandbox's own files
};

bool below(std::string_view path, std::string_view directory) {
  return path == directory || (path.starts_with(directory) && path.substr(directory.size()).starts_with('/'));
}

Result<void> check_bind(const Bind& bind) {
  const auto refuse = [&](std::string_view why) {
    return fail(Code::invalid_argument, fmt::format("bind '{}' to '{}': {}", bind.source, bind.target, why));
  };
  if (!bind.source.starts_with('/')) return refuse("the source must be an absolute path");
  if (!bind.target.starts_with('/')) return refuse("the target must be an absolute path");
  const fs::path target(bind.target);
  if (target.lexically_normal().string() != bind.target || bind.target == "/" || bind.target.ends_with('/'))
    return refuse("the target must be a plain path below '/' without '.', '..' or a slash at its end");
  for (const auto* kept : {"/proc", "/dev", "/sys", "/etc", "/opt/swarm"}) {
    if (below(bind.target, kept) || below(kept, bind.target))
      return refuse(fmt::format("'{}' is made by the sandbox", kept));
  }
  if (bind.access == Bind::Access::read_write && below(bind.target, "/usr")) return refuse("/usr is read-only");
  return {};
}

Result<RootEntry> entry_of(const fs::path& source, const std::string& target) {
  std::error_code error;
  const auto status = fs::symlink_status(source, error);
  if (error) return fail_errno("lstat", source.string(), error.value());
  if (fs::is_symlink(status)) {
    const auto text = fs::read_symlink(source, error);
    if (error) return fail_errno("readlink", source.string(), error.value());
    return RootEntry{RootEntry::Kind::symlink, target, text.string()};
  }
  const auto kind = fs::is_directory(status) ? RootEntry::Kind::directory : RootEntry::Kind::file;
  return RootEntry{kind, target, source.string()};
}

/// Adds what is in `directory`, leaving out the names in `skip` and going into those in `open`.
Result<void> add_entries(const fs::path& directory, const std::string& prefix, const std::vector<std::string>& skip,
                         std::vector<RootEntry>& entries) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  if (error) return fail_errno("read directory", directory.string(), error.value());
  std::ranges::sort(names);
  for (const auto& name : names) {
    const std::string target = prefix + "/" + name;
    if (std::ranges::find(skip, target) != skip.end()) continue;
    auto entry = entry_of(directory / name, target);
    if (!entry) return fail(entry.error());
    // Directories in which the sandbox has something of its own are filled name by name.
    const bool shared = target == "/opt" || target == "/var";
    if (shared && entry->kind == RootEntry::Kind::directory) {
      if (auto inner = add_entries(directory / name, target, skip, entries); !inner) return inner;
      continue;
    }
    entries.push_back(std::move(*entry));
  }
  return {};
}

}  // namespace

Result<std::vector<RootEntry>> host_root() {
  std::vector<RootEntry> entries;
  for (const auto* path : {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(path, error))) continue;
    auto entry = entry_of(path, path);
    if (!entry) return fail(entry.error());
    entries.push_back(std::move(*entry));
  }
  return entries;
}

Result<std::vector<RootEntry>> template_root(const std::string& directory) {
  static const std::vector<std::string> kOwn = {"/proc", "/dev", "/sys",       "/tmp",     "/run",     "/home",
                                                "/root", "/etc", "/workspace", "/var/tmp", "/var/run", "/opt/swarm"};
  std::vector<RootEntry> entries;
  if (auto added = add_entries(directory, "", kOwn, entries); !added) return fail(added.error(), "template root");
  return entries;
}

Result<RootfsPlan> plan_rootfs(const RootfsRequest& request) {
  for (const auto& bind : request.binds) {
    if (auto checked = check_bind(bind); !checked) return fail(checked.error());
  }
  return Builder(request).build();
}

}  // namespace swarm::local
