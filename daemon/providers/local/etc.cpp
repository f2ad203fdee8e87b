#include "daemon/providers/local/etc.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daemon/providers/local/identity.hpp"

namespace swarm::local {
namespace {

namespace fs = std::filesystem;

/// Raised when what we write changes: an /etc of an older version is not used again.
constexpr int kEtcFormat = 1;

/// Parts of the host's /etc that programs below /usr cannot do without, and that say nothing about the host.
constexpr std::array kCopied = {"ld.so.cache",     "ld.so.conf",   "ld.so.conf.d", "ssl/certs",      "ssl/openssl.cnf",
                                "ca-certificates", "alternatives", "localtime",    "mime.types",     "services",
                                "protocols",       "bash.bashrc",  "inputrc",      "terminfo",       "vim",
                                "python3",         "python3.11",   "npmrc",        "debian_version", "os-release"};

bool world_readable(const fs::directory_entry& entry) {
  std::error_code error;
  return (entry.symlink_status(error).permissions() & fs::perms::others_read) != fs::perms::none;
}

/// Copies regular files, directories and symbolic links that everybody may read; anything else is left out.
void copy_tree(const fs::path& from, const fs::path& to) {
  std::error_code error;
  const auto status = fs::symlink_status(from, error);
  if (fs::is_symlink(status)) {
    fs::copy_symlink(from, to, error);
  } else if (fs::is_regular_file(status)) {
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    if (!error) fs::permissions(to, fs::perms(0444) | (status.permissions() & fs::perms(0111)), error);
  } else if (fs::is_directory(status)) {
    fs::create_directories(to, error);
    for (fs::directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
      if (world_readable(*it)) copy_tree(it->path(), to / it->path().filename());
    }
  }
}

Result<void> write_text(const fs::path& path, const std::string& text) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) return fail_errno("write", path.string());
  fs::permissions(path, fs::perms(0444), ignored);
  return {};
}

/// Changes when the request does, or what is copied.
std::string fingerprint(const EtcRequest& request) {
  std::string text =
      fmt::format("{} {} {} {} {}\n", kEtcFormat, request.base, request.whole_base, request.isolated, request.hostname);
  const auto add = [&](const fs::path& path) {
    struct stat info{};
    if (lstat(path.c_str(), &info) == 0)
      text += fmt::format("{} {}.{} {}\n", path.string(), info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size);
  };
  add(request.base);
  for (const char* name : kCopied) add(fs::path(request.base) / name);
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a: names a cache entry, protects nothing
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

Result<void> fill(const EtcRequest& request, const fs::path& etc) {
  std::error_code error;
  if (request.whole_base) {
    copy_tree(request.base, etc);
  } else {
    for (const char* name : kCopied) {
      fs::create_directories((etc / name).parent_path(), error);
      copy_tree(fs::path(request.base) / name, etc / name);
    }
  }
  for (const char* name :
       {"shadow", "shadow-", "gshadow", "gshadow-", "passwd-", "group-", "machine-id", "resolv.conf"})
    fs::remove(etc / name, error);
  const std::pair<const char*, std::string> files[] = {
      {"passwd", passwd_text(request.isolated)},
      {"group", group_text(request.isolated)},
      {"hosts", fmt::format("127.0.0.1 localhost {0}\n::1 localhost ip6-localhost {0}\n", request.hostname)},
      {"hostname", request.hostname + "\n"},
      {"nsswitch.conf",
       "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
      {"profile",
       "export PATH=/opt/swarm/bin:/usr/local/bin:/usr/bin:/bin\n[ -z \"$BASH\" ] || PS1='\\u@\\h:\\w\\$ '\n"},
      {"shells", "/bin/sh\n/bin/bash\n"},
  };
  for (const auto& [name, text] : files) {
    if (auto written = write_text(etc / name, text); !written) return written;
  }
  // Settings that agentd writes while the sandbox runs, in a place that only root of the sandbox can write.
  for (const char* name : {"claude-code", "codex"}) {
    fs::remove_all(etc / name, error);
    fs::create_directory_symlink(fs::path("/run/swarm/etc") / name, etc / name, error);
  }
  if (!fs::exists(etc / "mtab", error)) fs::create_symlink("/proc/self/mounts", etc / "mtab", error);
  return {};
}

}  // namespace

std::string passwd_text(bool isolated) {
  std::string text;
  if (isolated) text += "root:x:0:0:root:/root:/bin/sh\n";
  text += fmt::format("user:x:{0}:{0}:user:/home/user:/bin/sh\n", kUserId);
  if (isolated) {
    for (std::uint32_t i = 0; i < kAgentIds; ++i)
      text += fmt::format("agent-{0}:x:{1}:{1}:agent {0}:/home/agent-{0}:/bin/sh\n", i, kFirstAgentId + i);
  }
  return text + "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
}

std::string group_text(bool isolated) {
  std::string text;
  if (isolated) text += "root:x:0:\ntty:x:5:\n";
  text += fmt::format("user:x:{}:\n", kUserId);
  if (isolated) {
    std::string members = "user";
    std::string own;
    for (std::uint32_t i = 0; i < kAgentIds; ++i) {
      members += fmt::format(",agent-{}", i);
      own += fmt::format("agent-{}:x:{}:\n", i, kFirstAgentId + i);
    }
    text += fmt::format("agents:x:{}:{}\n{}", kAgentsGid, members, own);
  }
  return text + "nogroup:x:65534:\n";
}

Result<std::string> make_etc(const EtcRequest& request) {
  const fs::path cache(request.cache_dir);
  const fs::path made = cache / fingerprint(request);
  std::error_code error;
  if (fs::is_directory(made, error)) return made.string();
  fs::create_directories(cache, error);
  if (error) return fail_errno("create directory", cache.string(), error.value());
  std::string draft = (cache / "draft-XXXXXX").string();
  if (mkdtemp(draft.data()) == nullptr) return fail_errno("mkdtemp", draft);
  auto filled = fill(request, draft);
  fs::permissions(draft, fs::perms(0755), error);
  if (filled) fs::rename(draft, made, error);
  if (filled && error && !fs::is_directory(made)) filled = fail_errno("rename", made.string(), error.value());
  std::error_code ignored;
  fs::remove_all(draft, ignored);
  if (!filled) return fail(filled.error(), "make /etc for sandboxes");
  return made.string();
}

}  // namespace swarm::local
