#pragma once
// One sandbox from its directory to its end, in blocking calls that own all they touch: the provider runs them on the
// thread pool.
//
//   <sandboxes>/<id>/          0700
//     record.json              record.hpp; written before the start and again after it
//     report                   bwrap's: the host pid of PID 1
//     tunnel                   the listening socket; agentd init holds the descriptor
//     files/                   what the sandbox writes, when its storage is the disk

#include <filesystem>
#include <memory>

#include "daemon/providers/local/launch.hpp"
#include "daemon/providers/local/record.hpp"
#include "daemon/providers/local/template.hpp"
#include "protocol/core/units.hpp"

namespace swarm::local {

/// How this provider is set up; from configuration and places.
struct Settings {
  std::filesystem::path sandboxes;  ///< a directory of ours alone
  std::filesystem::path cache;      ///< made /etc directories
  std::filesystem::path tools;      ///< installed agent CLIs
  std::filesystem::path bundle;     ///< agentd's bundle: bin/agentd-init, lib/...
  LaunchPrograms programs;
  std::optional<IdRange> id_range;  ///< absent: kDefaultRange for root
  CgroupChoice cgroups = CgroupChoice::automatic;
  std::map<std::string, Template> templates = {{"default", {}}};
  std::uint32_t most = 64;          ///< sandboxes at a time
  std::vector<std::string> agentd;  ///< what init starts; empty: agentd of the bundle, through its own ld.so
};

/// What is looked up once for all sandboxes. Never changes; shared by every job on the thread pool.
struct Host {
  Settings settings;
  Result<IdentityPlan> identity = fail(Code::internal, "not looked up");
  CgroupHost cgroups;
  std::map<Userns, Result<std::string>> seccomp;
};

/// Looks it up: identities, control groups, filters. Blocking, some milliseconds.
std::shared_ptr<const Host> look_up_host(Settings settings);

/// What the caller of create says.
struct SandboxRequest {
  std::string id;
  std::string owner;
  std::string template_name;
  std::map<std::string, std::string> env;
  api::SandboxLimits limits;
  api::NetworkPolicy network;
  std::optional<std::chrono::milliseconds> lease;
  std::string secret;
  WallTime now;
};

/// A sandbox that runs, held by the pidfds of its first process and of bwrap.
struct Running {
  Record record;
  UniqueFd init_pidfd;
  UniqueFd monitor_pidfd;  ///< empty when bwrap outside has ended already
  /// What was free where its files are, before it began to write; nothing for one that was found.
  std::optional<std::uint64_t> free_at_start;
};

/// Makes one. After a failure nothing of it is left.
Result<Running> create_sandbox(const Host& host, const SandboxRequest& request);

/// What a directory below `settings.sandboxes` turned out to be.
struct Found {
  Record record;
  std::optional<Running> running;  ///< absent: it has ended, and only has to be removed
};
/// Finds a sandbox again. `not_found` when there is no such directory or nothing readable in it.
Result<Found> find_sandbox(const Host& host, const std::string& id);

/// Ids of all directories that may hold a sandbox.
std::vector<std::string> list_sandboxes(const Host& host);

/// Removes what is left of a sandbox whose PID 1 has ended: bwrap, groups, files, directory. `monitor_pidfd` may be -1.
Result<void> remove_sandbox(const Host& host, const Record& record, int monitor_pidfd);

/// Removes a directory that a killed daemon had made without coming to write its record: nothing was started in it. One
/// with a record, also an unreadable one, stays for a person to look at.
void remove_unrecorded(const Host& host, const std::string& id);

/// Stops or continues all of it, by what its record says. `record.paused` is written down.
Result<void> pause_sandbox(const Host& host, Record& record);
Result<void> resume_sandbox(const Host& host, Record& record);
/// Stops it because of `record.over`. Succeeds when it stands still, also when that could not be written down: the disk
/// may be full.
Result<void> halt_sandbox(const Host& host, Record& record);

/// Writes the record down as it is.
Result<void> save_sandbox(const Host& host, const Record& record);

/// Where what it writes is, when that is the disk.
std::filesystem::path files_of(const Host& host, const std::string& id);

/// The path of the tunnel's socket, short enough for an address whatever the state directory is called: through
/// `directory`, an open descriptor of the sandbox's directory that must stay open while the path is used.
std::string socket_path(const UniqueFd& directory);
/// Opens the sandbox's directory.
Result<UniqueFd> open_directory(const Host& host, const std::string& id);

/// True for what may be a directory name of ours: no slash, no leading dot.
bool is_safe_id(const std::string& id);

}  // namespace swarm::local
