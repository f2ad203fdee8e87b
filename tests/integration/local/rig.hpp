#pragma once
// One real sandbox with a command-running stand-in for agentd, and what a test wants to know about the host around it.

#include <filesystem>
#include <memory>
#include <string>

#include "daemon/providers/local/cgroup.hpp"
#include "daemon/providers/local/etc.hpp"
#include "daemon/providers/local/launch.hpp"
#include "daemon/providers/local/seccomp.hpp"

namespace swarm::test {

/// A directory that goes with the object.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// What a test changes about its sandbox.
struct RigOptions {
  local::CgroupLimits limits;
  local::CgroupChoice cgroups = local::CgroupChoice::automatic;
  local::Storage storage = local::Storage::disk;
  std::uint64_t storage_bytes = 64U << 20;
  local::Userns userns = local::Userns::forbidden;
  std::vector<local::Rlimit> rlimits;
  std::vector<local::RootEntry> root;  ///< empty: the host's
  std::vector<local::Bind> binds;
  std::string lease_ms;   ///< empty: none
  std::string processes;  ///< RLIMIT_NPROC
  std::string secret = std::string(32, 's');
};

/// What a command printed and how it ended.
struct Output {
  std::string text;
  int status = -1;
};

/// A sandbox from its start to its removal. Fails the test that makes it when it cannot be started.
class Rig {
 public:
  explicit Rig(RigOptions options = {});
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig();

  /// Runs a shell command inside as this uid.
  Output run(const std::string& command, unsigned uid = 1000);
  /// Sends something to the stand-in itself.
  std::string tell(const std::string& words);
  /// True when PID 1 has ended within ten seconds.
  bool wait_gone();
  /// Ends it and removes everything; what could not be removed comes back as a sentence.
  std::string end();

  [[nodiscard]] const local::Launched& launched() const { return launched_; }
  [[nodiscard]] const local::CgroupSet& cgroups() const { return cgroups_; }
  [[nodiscard]] const local::IdentityPlan& identity() const { return identity_; }
  [[nodiscard]] const std::filesystem::path& files() const { return files_; }

 private:
  TempDir directory_;
  std::filesystem::path files_;
  local::LaunchPrograms programs_;
  local::IdentityPlan identity_;
  local::CgroupSet cgroups_;
  local::Launched launched_;
  bool ended_ = false;
};

/// Made /etc directories, shared by the tests of one run: hundreds of links take longer than the sandbox.
std::string etc_cache();

/// True when this machine lets this user start a sandbox at all; otherwise tests warn and pass.
bool can_start_sandboxes();

}  // namespace swarm::test
